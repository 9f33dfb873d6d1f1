"""From a digest to the bytes of a mail: text and HTML from templates, headers that nobody can smuggle anything into.

The Python that runs this may decode an encoded word in a header and write the line feed in it as it is (CVE-2024-6923), so whatever
comes from outside loses its control characters and encoded words first, and the finished bytes are read again before they go out.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError, MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import SMTP, compat32
from email.utils import format_datetime
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape

from services.notifier.core import Cause, Digest, Kind

_HEADERS: Final = frozenset(
    {"from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"}
)
_LONGEST_HEADER_TEXT: Final = 150
_TEMPLATES: Final = files("services.notifier") / "templates"


class UnsafeMailError(ValueError):
    """The mail would not be what it was meant to be; the message says which part is wrong, not its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a mail says: subject, plain text and HTML."""

    subject: str
    text: str
    html: str


def header_text(value: str) -> str:
    """Return ``value`` as one harmless line for a header: no control characters, no encoded words (RFC 2047), not too long."""
    spaced = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in value)
    line = " ".join(spaced.split()).replace("=?", "= ?")
    return line if len(line) <= _LONGEST_HEADER_TEXT else line[: _LONGEST_HEADER_TEXT - 1] + "…"


def recipient_address(value: str) -> Address:
    """Return a mail address; raises ``UnsafeMailError`` for one that could be more than an address."""
    if not value.isascii() or not value.isprintable() or "=?" in value or " " in value:
        raise UnsafeMailError("the Notification Email is not a plain mail address; correct it in the job")
    try:
        return Address(addr_spec=value)
    except (HeaderParseError, ValueError, IndexError):
        raise UnsafeMailError("the Notification Email is not a mail address; correct it in the job") from None


def write(digest: Digest, *, job_id: str, job_name: str, console_url: str) -> Letter:
    """Return the mail for a digest. ``console_url`` is where links lead to; without it there are no links."""
    values: dict[str, Any] = {
        "digest": digest,
        "job_name": " ".join(job_name.split()),
        "causes": [_shown(cause, job_id, digest.kind, console_url) for cause in digest.causes],
    }
    count = f"{digest.total} {digest.kind.subject}{'' if digest.total == 1 else 's'} could not be provisioned"
    what = "the job needs attention" if digest.kind.whole else count
    return Letter(
        subject=header_text(f"Seatkeeper, {job_name[:80]}: {what}"),
        text=_ENVIRONMENT.get_template("mail.txt.j2").render(values),
        html=_ENVIRONMENT.get_template("mail.html.j2").render(values),
    )


def seal(letter: Letter, *, sender: str, recipient: Address, message_id: str, at: datetime) -> bytes:
    """Return the bytes of a mail (RFC 5322, CRLF). The same arguments give the same headers.

    Raises ``UnsafeMailError`` when the finished mail has any header that it should not have.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(display_name="Seatkeeper", addr_spec=sender)
    message["To"] = recipient
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    try:
        sealed = message.as_bytes()
    except MessageError:
        raise UnsafeMailError("a header of the mail cannot be written safely; nothing was sent") from None
    found = [name.lower() for name in BytesHeaderParser(policy=compat32).parsebytes(sealed)]
    if sorted(found) != sorted(_HEADERS):
        raise UnsafeMailError("a header would have been added to the mail; nothing was sent")
    return sealed


def _shown(cause: Cause, job_id: str, kind: Kind, console_url: str) -> dict[str, Any]:
    query = "?status=failed" if kind is Kind.USERS else ""
    link = f"{console_url.rstrip('/')}/jobs/{quote(job_id, safe='')}{query}" if console_url else ""
    return {
        "code": cause.code,
        "count": cause.count,
        "recovered": cause.recovered,
        "subjects": cause.subjects,
        "message": cause.message,
        "advice": cause.advice,
        "http_statuses": cause.http_statuses,
        "more": cause.count > len(cause.subjects),
        "link": link,
    }


_ENVIRONMENT: Final = Environment(
    loader=FunctionLoader(lambda name: _TEMPLATES.joinpath(name).read_text("utf-8")),
    autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)
