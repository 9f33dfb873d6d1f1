"""Request bodies and parameters of the API."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Header, Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic.alias_generators import to_camel

from services.console.api.problems import FieldError, invalid
from services.console.client_certificate import read_certificate

LONGEST_SECRET: Final = 4000
LONGEST_REASON: Final = 500
_HEADER_SAFE: Final = re.compile(r"^[\x21-\x7e]+$")

JobId = Annotated[str, Path(alias="job", min_length=1, max_length=100, pattern=r"^[A-Za-z0-9-]+$")]
HoldId = Annotated[str, Path(alias="hold", min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._:~-]+$")]


def _as_written(reason: str) -> str:
    """Return a reason as its writer meant it: HTTP hands headers over as Latin-1 (RFC 9110, section 5.5), and clients send UTF-8."""
    try:
        return reason.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return reason


Reason = Annotated[str, Header(alias="X-Seatkeeper-Reason", max_length=LONGEST_REASON), AfterValidator(_as_written)]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
]
PreviewId = Annotated[str, Path(alias="preview", min_length=1, max_length=100, pattern=r"^[A-Za-z0-9-]+$")]
ByPreview = Annotated[str | None, Query(alias="preview", min_length=1, max_length=100, pattern=r"^[A-Za-z0-9-]+$")]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=400)]


class Criteria(BaseModel):
    """What a restart forgets: reset scopes, separated by commas (Microsoft Graph, ``synchronizationJobRestartCriteria``)."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    reset_scope: str = Field(default="", max_length=200)


class Restart(BaseModel):
    """The body of a restart; without one it is that of "Restart provisioning"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    criteria: Criteria = Criteria()


class Secrets(BaseModel):
    """The credentials of a job; what is not named stays as it is, null forgets it."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", hide_input_in_errors=True, frozen=True)

    secret_token: SecretStr | None = None
    secret_token_expires_at: AwareDatetime | None = None
    client_secret: SecretStr | None = None
    client_secret_expires_at: AwareDatetime | None = None
    client_certificate: SecretStr | None = None

    @field_validator("secret_token", "client_secret")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else _sendable(value)

    @field_validator("client_certificate")
    @classmethod
    def _can_be_used(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else _usable(value)


class CredentialsToTest(BaseModel):
    """Credentials to test before they are saved; those not given are the saved ones."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", hide_input_in_errors=True, frozen=True)

    secret_token: SecretStr | None = None
    client_secret: SecretStr | None = None
    client_certificate: SecretStr | None = None

    @field_validator("secret_token", "client_secret")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else _sendable(value)

    @field_validator("client_certificate")
    @classmethod
    def _can_be_used(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else _usable(value)


class Why(BaseModel):
    """Why an operator decides so; goes into the audit log."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True, str_strip_whitespace=True)

    reason: Annotated[str, Field(max_length=LONGEST_REASON)] = ""

    @field_validator("reason")
    @classmethod
    def _can_be_kept(cls, value: str) -> str:
        if "\x00" in value:
            raise ValueError("holds a NUL character")
        return value


def _usable(value: SecretStr) -> SecretStr:
    certificate = read_certificate(value.get_secret_value())
    if certificate.expires_at <= datetime.now(UTC):
        raise ValueError("has expired; make a new certificate, upload it to the app registration, and save it here")
    return SecretStr(certificate.pem())


def _sendable(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()  # what is pasted often ends with a line break
    if not text or len(text) > LONGEST_SECRET or not _HEADER_SAFE.match(text):
        raise ValueError(
            f"must have 1 to {LONGEST_SECRET} characters without spaces or line breaks; paste the credential alone"
        )
    return SecretStr(text)


def encode_cursor(position: str | int | None) -> str | None:
    """Return an opaque cursor for the last thing that was shown, or nothing at the end."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, field: str = "cursor") -> str:
    """Return the last thing that was shown, or nothing for the beginning; raises ``ProblemError`` (422) naming ``field``."""
    if not cursor:
        return ""
    try:
        position = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        position = "\x00"
    if "\x00" in position:
        raise invalid(
            [FieldError(field=field, message="is not a cursor of an earlier answer; leave it out to begin anew")]
        )
    return position


def decode_position(cursor: str | None, field: str) -> int | None:
    """Return the numbered position of a cursor, or nothing for the beginning; raises ``ProblemError`` (422) naming ``field``."""
    text = decode_cursor(cursor, field)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise invalid(
            [FieldError(field=field, message="is not a cursor of an earlier answer; leave it out to begin anew")]
        )
    return int(text)


Patch = dict[str, Any]
