"""Certificates and tokens of other issuers, made for a test and gone with it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

ISSUER = "https://cluster.example/issuer"
SUBJECT = "system:serviceaccount:seatkeeper:watcher"
AUDIENCE = "api://AzureADTokenExchange"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key as PEM texts."""

    key: str
    certificate: str

    @property
    def together(self) -> str:
        return self.key + self.certificate


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    """Making one takes a while: each is made once. ``number`` tells them apart."""
    assert number >= 0
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def a_certificate(*, days: int = 30, key: Any = None) -> Pair:
    key = key or rsa_key()
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "watcher")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return Pair(pem(key), certificate.public_bytes(Encoding.PEM).decode())


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()  # type: ignore[no-any-return] # any kind of key


def public_pem(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()  # type: ignore[no-any-return] # any kind of key


def a_federated_token(key: Any, *, subject: str = SUBJECT, issuer: str = ISSUER, audience: str = AUDIENCE) -> str:
    """A token as a Kubernetes cluster projects it into a pod."""
    now = datetime.now(UTC)
    claims = {"iss": issuer, "sub": subject, "aud": [audience], "iat": now, "nbf": now, "exp": now + timedelta(hours=1)}
    return jwt.encode(claims, key, algorithm="RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256")


def an_elliptic_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
