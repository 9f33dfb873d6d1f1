"""What comes in and what goes out, apart from any socket: a request of its own and one inside a batch are the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from multidict import CIMultiDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One request. ``path`` is decoded and begins with ``/v1.0``; ``origin`` is scheme, host and port as the caller wrote them."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    origin: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def content(self) -> Any:
        """The JSON of the body, ``None`` when there is none; raises ``ValueError`` when it is no JSON."""
        return orjson.loads(self.body) if self.body else None


@dataclass(slots=True, kw_only=True)
class Reply:
    """One answer. ``headers`` without a Content-Type means no body."""

    status: int = 200
    body: bytes = b""
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    units: int = 1

    @classmethod
    def json(cls, body: Any, status: int = 200) -> "Reply":
        """An answer with JSON; its Content-Type is added by the gate."""
        return cls(status=status, body=orjson.dumps(body))
