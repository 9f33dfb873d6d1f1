"""Keys, certificates and signed client assertions, made with nothing of the simulator."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "An application")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(days=1), now + timedelta(days=9))
    return builder.sign(key, hashes.SHA256())


def pem(made: x509.Certificate) -> str:
    return made.public_bytes(Encoding.PEM).decode()


def thumbprint(made: x509.Certificate) -> str:
    return encode(hashlib.sha256(made.public_bytes(Encoding.DER)).digest())


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(key: rsa.RSAPrivateKey, claims: dict[str, Any], **header: str) -> str:
    """A JWT with PS256."""
    parts = [encode(orjson.dumps(part)) for part in ({"alg": "PS256", "typ": "JWT", **header}, claims)]
    salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    signature = key.sign(".".join(parts).encode(), salted, hashes.SHA256())
    return ".".join([*parts, encode(signature)])
