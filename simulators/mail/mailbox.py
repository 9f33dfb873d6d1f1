"""What arrived: bounded in number and in bytes, parsed only when somebody reads it."""

import itertools
from collections import OrderedDict
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any, Final

_MAX_BYTES: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """One message as it came: `at` in epoch seconds, the envelope's sender and recipients, the bytes of the message."""

    id: str
    at: float
    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    def parsed(self) -> EmailMessage:
        """The message, its headers decoded."""
        return BytesParser(policy=policy.default).parsebytes(self.raw)

    def as_json(self) -> dict[str, Any]:
        """The message as `GET /_sim/messages` shows it; `headers` maps each name to the list of its values."""
        message = self.parsed()
        headers: dict[str, list[str]] = {}
        for name, value in message.items():
            headers.setdefault(name, []).append(str(value))
        return {
            "id": self.id,
            "at": self.at,
            "from": self.sender,
            "to": list(self.recipients),
            "subject": str(message.get("Subject", "")),
            "messageId": str(message.get("Message-ID", "")),
            "headers": headers,
            "text": _part(message, "plain"),
            "html": _part(message, "html"),
        }


class Mailbox:
    """The messages in order of arrival; the oldest go when there are more than `max_messages` or 256 MiB of them."""

    def __init__(self, max_messages: int, *, max_bytes: int = _MAX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._messages: OrderedDict[str, StoredMessage] = OrderedDict()
        self._bytes = 0
        self._number = itertools.count(1)
        self.received = 0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def all(self) -> list[StoredMessage]:
        """Every message that is kept, oldest first."""
        return list(self._messages.values())

    def get(self, message_id: str) -> StoredMessage | None:
        """The message with this id, if it is still kept."""
        return self._messages.get(message_id)

    def keep(self, *, at: float, sender: str, recipients: tuple[str, ...], raw: bytes) -> StoredMessage:
        """Keep one message and let go of the oldest, if there are too many."""
        message = StoredMessage(
            id=f"message-{next(self._number)}", at=at, sender=sender, recipients=recipients, raw=raw
        )
        self._messages[message.id] = message
        self._bytes += len(raw)
        self.received += 1
        while len(self._messages) > self._max_messages or (self._bytes > self._max_bytes and len(self._messages) > 1):
            _, oldest = self._messages.popitem(last=False)
            self._bytes -= len(oldest.raw)
        return message

    def clear(self) -> None:
        """Forget every message; ids go on rising."""
        self._messages.clear()
        self._bytes = 0


def _part(message: EmailMessage, kind: str) -> str | None:
    body = message.get_body(preferencelist=(kind,))
    if body is None:
        return None
    try:
        return str(body.get_content())
    except LookupError:
        payload = body.get_payload(decode=True)
        return payload.decode("latin-1") if isinstance(payload, bytes) else None
