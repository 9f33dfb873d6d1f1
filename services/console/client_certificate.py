"""The certificate with which an application proves to Microsoft Entra who it is: read from PEM, and used to sign an assertion."""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import uuid4

import orjson
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME_SECONDS: Final = 300
SMALLEST_KEY_BITS: Final = 2048
LONGEST_PEM: Final = 60_000


class CertificateError(ValueError):
    """The text is no certificate that can be used; the message says why and what to do, and repeats nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A certificate and its private key. ``thumbprint`` is the SHA-1 of the certificate in hexadecimal, as the portal shows it."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate = field(repr=False)
    thumbprint: str
    expires_at: datetime

    def pem(self) -> str:
        """Return certificate and key alone, the certificate first and the key as PKCS #8, whatever they were read from."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return (self.certificate.public_bytes(serialization.Encoding.PEM) + key).decode()


def read_certificate(pem: str) -> ClientCertificate:
    """Return the certificate and private key of a PEM text, in any order and with or without the issuers' certificates.

    Raises ``CertificateError``.
    """
    if len(pem) > LONGEST_PEM:
        raise CertificateError(f"is longer than {LONGEST_PEM} characters; send one certificate with its private key")
    text = pem.encode("utf-8", "replace")
    try:
        certificates = x509.load_pem_x509_certificates(text)
    except ValueError:
        raise CertificateError(
            "holds no certificate that can be read, or is damaged; send PEM with BEGIN CERTIFICATE and BEGIN PRIVATE KEY"
        ) from None
    key = _key_of(text)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < SMALLEST_KEY_BITS:
        raise CertificateError(f"must have an RSA key of at least {SMALLEST_KEY_BITS} bits")
    public = key.public_key().public_numbers()
    for certificate in certificates:
        try:
            found = certificate.public_key()
        except (ValueError, UnsupportedAlgorithm):  # an issuer's key of a kind that is not known here
            continue
        if isinstance(found, rsa.RSAPublicKey) and found.public_numbers() == public:
            return ClientCertificate(
                key=key,
                certificate=certificate,
                thumbprint=certificate.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303 - a name of the certificate, not a protection
                expires_at=certificate.not_valid_after_utc,
            )
    raise CertificateError("the private key belongs to none of its certificates; send the pair that belongs together")


def _key_of(text: bytes) -> object:
    try:
        return serialization.load_pem_private_key(text, password=None)
    except TypeError:
        raise CertificateError("has a private key with a password; write it without one (openssl pkey)") from None
    except Exception:  # noqa: BLE001 - the reader of keys has several kinds of errors, and its text may hold what was sent
        raise CertificateError(
            "holds no private key that can be read; send PEM with BEGIN CERTIFICATE and BEGIN PRIVATE KEY"
        ) from None


def assertion_form(certificate: ClientCertificate, *, client_id: str, audience: str) -> Mapping[str, str]:
    """Return the part of a token request that proves who asks (Microsoft identity platform, "Application authentication certificate
    credentials"; RFC 7523): a JWT for ``audience``, the token endpoint, that is good once and for some minutes.
    """
    now = int(time.time())
    digest = certificate.certificate.fingerprint(hashes.SHA256())
    header = {"alg": "PS256", "typ": "JWT", "x5t#S256": _base64(digest)}
    claims = {"aud": audience, "iss": client_id, "sub": client_id, "jti": str(uuid4())}
    times = {"iat": now, "nbf": now, "exp": now + LIFETIME_SECONDS}
    signed = f"{_base64(orjson.dumps(header))}.{_base64(orjson.dumps(claims | times))}"
    signature = certificate.key.sign(
        signed.encode(),
        padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256().digest_size),
        hashes.SHA256(),
    )
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": f"{signed}.{_base64(signature)}"}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
