"""With what the client may prove itself: secrets, certificates, and identities of other issuers that it trusts."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate of the application, found by its thumbprint (SHA-1 or SHA-256 of the DER form)."""

    thumbprints: frozenset[bytes]
    key: rsa.RSAPublicKey
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedIdentity:
    """An identity of another issuer that may act as the application ("federatedIdentityCredential")."""

    issuer: str
    subject: str
    audience: str
    key: PublicKey


@dataclass(slots=True)
class Credentials:
    """What is registered. ``secrets`` maps each secret to the second of its expiry."""

    secrets: dict[str, float] = field(default_factory=dict)
    certificates: list[Certificate] = field(default_factory=list)
    federated: list[FederatedIdentity] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def register(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Add a credential from JSON; raises ``ValueError`` naming the field that is wrong."""
        kind = asked.get("kind")
        fields = {
            "secret": {"secret", "expiresAt"},
            "certificate": {"certificate"},
            "federated": {"issuer", "subject", "audience", "key"},
        }
        if kind not in fields:
            raise ValueError(f"kind: must be one of {', '.join(fields)}")
        if stray := set(asked) - {"kind"} - fields[kind]:
            raise ValueError(f"{min(stray)}: no such field")
        if kind == "secret":
            expires = asked.get("expiresAt")
            if expires is not None and (isinstance(expires, bool) or not isinstance(expires, int | float)):
                raise ValueError("expiresAt: must be epoch seconds")
            self.secrets[_text(asked, "secret")] = float("inf") if expires is None else float(expires)
        elif kind == "certificate":
            self.certificates.append(_certificate(_text(asked, "certificate")))
        else:
            names = ("issuer", "subject", "audience")
            self.federated.append(
                FederatedIdentity(**{name: _text(asked, name) for name in names}, key=_key(_text(asked, "key")))
            )
        return self.as_json()

    def as_json(self) -> dict[str, Any]:
        """How many there are of each."""
        return {
            "secrets": len(self.secrets),
            "certificates": len(self.certificates),
            "federated": [one.subject for one in self.federated],
        }


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: must be a text that is not empty")
    return value


def _certificate(pem: str) -> Certificate:
    try:
        read = load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise ValueError("certificate: must be a certificate in PEM form") from None
    key = read.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("certificate: its key must be an RSA key")
    der = read.public_bytes(Encoding.DER)
    # SHA-1 is what the x5t header of a JWT is by definition.
    prints = (hashlib.sha1(der, usedforsecurity=False).digest(), hashlib.sha256(der).digest())
    return Certificate(thumbprints=frozenset(prints), key=key, expires=read.not_valid_after_utc.timestamp())


def _key(pem: str) -> PublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        raise ValueError("key: must be a public key in PEM form") from None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ValueError("key: must be an RSA or an elliptic curve key")
    return key
