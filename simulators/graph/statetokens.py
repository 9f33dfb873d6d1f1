"""``$skiptoken`` and ``$deltatoken``: opaque to the caller, authenticated, and able to expire."""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from simulators.graph.odata import GraphError, bad_request, unsupported

Cursor = tuple[int, tuple[tuple[int, int], ...]]
"""(next index of the round, (index, offset) of groups whose members are not through yet)."""

MOST_TOKENS = 10**9
"""More than are ever issued between a snapshot and a restore."""
EXPIRY_SHAPES = ("410", "syncStateNotFound", "30days")
PAGE_SHAPES = ("notFound", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a delta token says: the stream, the window (``after`` is ``None`` in an initial round) and the place in it.

    ``total`` counts the objects of the round; it is -1 in a deltaLink, whose round has not begun.
    """

    kind: str
    select: str | None
    ids: tuple[str, ...]
    after: int | None
    upto: int
    total: int
    cursor: Cursor
    issued: float
    fresh: bool = True

    @property
    def is_delta(self) -> bool:
        """Whether this begins a round (a ``$deltatoken``) rather than continues one (a ``$skiptoken``)."""
        return self.total < 0


class StateTokens:
    """Seals and opens state tokens. One instance per seeding: tokens of another seeding are answered as expired."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._nonce = 0
        self._epochs = {"delta": 0, "skip": 0}
        self._shape = {"delta": "410", "skip": "notFound"}
        self.generation = secrets.token_hex(4)
        self._dead: set[str] = set()
        self._unborn: list[tuple[int, int]] = []

    def move(self) -> None:
        """The tenant was moved: every token issued so far is answered as expired, with 410."""
        self.generation = secrets.token_hex(4)

    def kill(self, token: str) -> None:
        """Let one ``$skiptoken`` be refused, as if the server had lost it."""
        self._dead.add(token)

    @property
    def issued(self) -> int:
        """How many tokens were issued."""
        return self._nonce

    def go_back(self, issued: int) -> None:
        """The tenant was restored to when ``issued`` tokens were out: later ones are dead, for their future never was."""
        top = max(self._nonce, issued) + MOST_TOKENS
        self._unborn.append((issued, top))
        self._nonce = top

    def expire(self, kind: str, shape: str) -> None:
        """Let every "delta" or "skip" token issued so far be refused with ``shape`` from now on."""
        self._epochs[kind] += 1
        self._shape[kind] = shape

    def seal(self, content: dict[str, Any], *, delta: bool = False) -> str:
        """A URL-safe token. Two tokens for the same content differ, as Graph's do."""
        self._nonce += 1
        epoch = self._epochs["delta" if delta else "skip"]
        blob = orjson.dumps([self.generation, self._nonce, int(delta), epoch, content])
        mac = hashlib.blake2b(blob, key=self._key, digest_size=12).digest()
        return f"{self.generation}.{base64.urlsafe_b64encode(mac + blob).decode().rstrip('=')}"

    def open(self, token: str, *, delta: bool) -> dict[str, Any]:
        """The content of a token of this kind; raises :class:`GraphError` when forged, of another kind or expired."""
        generation, _, sealed = token.partition(".")
        if generation != self.generation and len(generation) == len(self.generation):
            raise expired("410") if delta else page_token_dead("notFound")
        try:
            raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        except (binascii.Error, ValueError):
            raise bad_request("Badly formed token.") from None
        mac = hashlib.blake2b(raw[12:], key=self._key, digest_size=12).digest()
        if not hmac.compare_digest(mac, raw[:12]):
            raise bad_request("Badly formed token.")
        _, nonce, is_delta, epoch, content = orjson.loads(raw[12:])
        if bool(is_delta) != delta:
            raise bad_request("Badly formed token.")
        kind = "delta" if delta else "skip"
        if token in self._dead or any(first < nonce <= last for first, last in self._unborn):
            raise expired("410") if delta else page_token_dead("notFound")
        if epoch != self._epochs[kind]:
            raise expired(self._shape[kind]) if delta else page_token_dead(self._shape[kind])
        opened: dict[str, Any] = content
        return opened

    def seal_round(self, state: Round) -> str:
        """The token of a delta round."""
        return self.seal(asdict(state), delta=state.is_delta)

    def open_round(self, token: str, *, kind: str, delta: bool) -> Round:
        """The round behind a token of the stream ``kind``."""
        content = self.open(token, delta=delta)
        if content.get("kind") != kind:
            raise bad_request("Badly formed token.")
        index, pending = content.pop("cursor")
        cursor: Cursor = (index, tuple((position, offset) for position, offset in pending))
        return Round(**{**content, "ids": tuple(content["ids"]), "cursor": cursor})


def expired(shape: str) -> GraphError:
    """One of the wire shapes of a dead ``$deltatoken``; the 410 gets its ``Location`` from the caller."""
    if shape == "410":
        return GraphError(410, "resyncRequired", "Resync required. Start again with an empty delta token.")
    if shape == "30days":
        return unsupported("DeltaLink older than 30 days is not supported.")
    return GraphError(400, "syncStateNotFound", "The sync state generation is not found; continuing is not possible.")


def page_token_dead(shape: str) -> GraphError:
    """One of the wire shapes of a dead ``$skiptoken``."""
    code = "Directory_ExpiredPageToken" if shape == "expired" else "DirectoryPageTokenNotFoundException"
    return GraphError(
        400, code, "The specified page token value has expired and can no longer be included in your request."
    )
