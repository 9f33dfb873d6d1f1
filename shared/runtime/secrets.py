"""Encryption of job secrets at rest and in control.jobs.v1: AES-256-GCM, bound to the job and the name of the credential."""

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = "v1"
NONCE_BYTES = 12


class SecretUnreadableError(Exception):
    """A ciphertext cannot be read with this key: another key wrote it, or it belongs to another job or field."""


class SecretBox:
    """Encrypts and decrypts with one key. The same text encrypts differently each time (random 96-bit nonce, NIST SP 800-38D)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self.key_id = hashlib.sha256(b"seatkeeper-key-id" + key).hexdigest()[:8]

    def encrypt(self, plaintext: str, *, job_id: str, field: str) -> str:
        """Return ``v1:KEY_ID:BASE64``, readable only for the same job and field."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, plaintext.encode(), _binding(job_id, field))
        return f"{VERSION}:{self.key_id}:{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, ciphertext: str, *, job_id: str, field: str) -> str:
        """Return the plaintext; raise ``SecretUnreadableError`` when key, job or field do not fit."""
        version, _, rest = ciphertext.partition(":")
        key_id, _, encoded = rest.partition(":")
        if version != VERSION:
            raise SecretUnreadableError(f"{field}: this version of Seatkeeper cannot read it; save the secret again")
        if key_id != self.key_id:
            raise SecretUnreadableError(
                f"{field}: was written with another SEATKEEPER_SECRET_KEY; save the secret again"
            )
        raw = base64.b64decode(encoded)
        try:
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _binding(job_id, field)).decode()
        except InvalidTag:
            raise SecretUnreadableError(
                f"{field}: belongs to another job or was altered; save the secret again"
            ) from None


def fingerprint(plaintext: str) -> str:
    """Return what may be shown of a secret: the first 12 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(plaintext.encode()).hexdigest()[:12]


def _binding(job_id: str, field: str) -> bytes:
    return f"{job_id}\x1f{field}".encode()
