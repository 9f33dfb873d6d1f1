"""How an application proves who it is: a client secret, a certificate, or a token that another issuer gave it."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS: Final = 300
FEDERATED_TOKEN_FILE: Final = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 - the name of a variable, not a secret
_SAVE_CERTIFICATE: Final = (
    "Save as clientCertificate one PEM text with the certificate and its private key, both as "
    "'-----BEGIN ...-----' blocks and without a password."
)
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)


class CredentialError(Exception):
    """A credential that cannot even be sent. The text holds nothing of it; ``advice`` says what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


class Credential(Protocol):
    """What proves who the application is."""

    def form(self, client_id: str, audience: str) -> Mapping[str, str]:
        """Return the fields of a token request to ``audience`` (the token endpoint); raises ``CredentialError``."""

    def for_msal(self) -> Any:
        """Return it as ``client_credential`` of MSAL wants it; raises ``CredentialError``."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A client secret."""

    text: str = field(repr=False)

    def form(self, client_id: str, audience: str) -> Mapping[str, str]:  # noqa: ARG002 - the shape of a credential
        """Return the secret."""
        return {"client_secret": self.text}

    def for_msal(self) -> Any:
        """Return the secret."""
        return self.text


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """An X.509 certificate and its RSA key; only what the key signs is sent."""

    key: RSAPrivateKey = field(repr=False)
    key_pem: str = field(repr=False)
    certificate: x509.Certificate

    @classmethod
    def from_pem(cls, text: str, now: datetime) -> "ClientCertificate":
        """Read certificate and key from one PEM text; raises ``CredentialError`` when either is missing, unreadable, foreign or expired."""
        blocks = {found[1]: found[0] for found in reversed(list(_BLOCK.finditer(text)))}
        key_pem = next((block for name, block in blocks.items() if name.endswith("PRIVATE KEY")), None)
        if key_pem is None or "CERTIFICATE" not in blocks:
            raise CredentialError("the client certificate is not a certificate with its private key", _SAVE_CERTIFICATE)
        try:
            key = load_pem_private_key(key_pem.encode(), None)
            certificate = x509.load_pem_x509_certificate(blocks["CERTIFICATE"].encode())
            public_key, ends = certificate.public_key(), certificate.not_valid_after_utc
        except Exception:  # noqa: BLE001 - a broken certificate makes the parser raise errors of many kinds
            raise CredentialError(
                "the client certificate or its private key cannot be read", _SAVE_CERTIFICATE
            ) from None
        if not isinstance(key, RSAPrivateKey):
            raise CredentialError(
                "the private key of the client certificate is not an RSA key", "Make one with an RSA key of 2048 bits."
            )
        if public_key != key.public_key():
            raise CredentialError("the private key does not belong to the client certificate", _SAVE_CERTIFICATE)
        if ends <= now:
            raise CredentialError(
                f"the client certificate expired on {ends:%Y-%m-%d}",
                "Make a new certificate, upload it to the app registration, and save it with its private key as clientCertificate.",
            )
        return cls(key, key_pem, certificate)

    def form(self, client_id: str, audience: str) -> Mapping[str, str]:
        """Return a signed assertion ("Microsoft identity platform application authentication certificate credentials")."""
        now = datetime.now(UTC)
        claims = {
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": str(uuid4()),
            "iat": now,
            "nbf": now,
            "exp": now + timedelta(seconds=ASSERTION_SECONDS),
        }
        thumbprint = base64.urlsafe_b64encode(sha256(self.certificate.public_bytes(Encoding.DER)).digest())
        headers = {"x5t#S256": thumbprint.rstrip(b"=").decode()}
        return _asserted(jwt.encode(claims, self.key, algorithm="PS256", headers=headers))

    def for_msal(self) -> Any:
        """Return key and certificate: MSAL signs the assertion itself."""
        return {"private_key": self.key_pem, "public_certificate": self.certificate.public_bytes(Encoding.PEM).decode()}


@dataclass(frozen=True, slots=True)
class FederatedToken:
    """A token of another issuer, in a file that is replaced before it expires ("Workload identity federation"): read for each request."""

    path: Path

    def form(self, client_id: str, audience: str) -> Mapping[str, str]:  # noqa: ARG002 - the shape of a credential
        """Return the token that the file holds now."""
        return _asserted(self._read())

    def for_msal(self) -> Any:
        """Return the token that the file holds now."""
        # A function, because MSAL warns of a text: it cannot know that this one is read anew for each request.
        return {"client_assertion": self._read}

    def _read(self) -> str:
        try:
            token = self.path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialError(
                f"the file of {FEDERATED_TOKEN_FILE} cannot be read ({type(error).__name__})", _FILE_ADVICE
            ) from None
        if token.count(".") != 2 or any(part.isspace() for part in token):
            raise CredentialError(f"the file of {FEDERATED_TOKEN_FILE} holds no token", _FILE_ADVICE)
        return token


_FILE_ADVICE: Final = (
    "Check that the watcher's pod has the label azure.workload.identity/use and a service account with a federated credential, so that "
    "the token file is mounted."
)


def _asserted(assertion: str) -> Mapping[str, str]:
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
