"""What a request to the notification endpoint means: pure judgement of the handshake and of notification bodies."""

import hashlib
import hmac
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from services.assignment_watcher.sources.source import Stream

LONGEST_TOKEN: Final = 2_000
LONGEST_CLIENT_STATE: Final = 128
"""The limit of Microsoft Graph ("subscription resource type", clientState)."""


class Wish(StrEnum):
    """What a lifecycle notification asks for."""

    REAUTHORIZE = "reauthorize"
    RECREATE = "recreate"


LIFECYCLE: Final[Mapping[str, tuple[bool, Wish | None]]] = {
    "reauthorizationrequired": (False, Wish.REAUTHORIZE),
    "subscriptionremoved": (True, Wish.RECREATE),
    "missed": (True, None),
}
"""Lifecycle events ("Reduce missing change notifications and removed subscriptions"): whether something may have been missed, so that a
poll is due, and what becomes of the subscription. All others are ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one body says.

    ``genuine`` counts items with the right client state, ``foreign`` those with another or none, ``ignored`` genuine ones of a kind that is
    not known. ``hint`` tells whether to poll soon.
    """

    genuine: int = 0
    foreign: int = 0
    ignored: int = 0
    hint: bool = False
    wishes: Mapping[Stream, Wish] = field(default_factory=dict)


def digest_of(client_state: str) -> bytes:
    """Return what is kept of a client state. It is 256 random bits or more, so a plain hash cannot be turned back."""
    return hashlib.sha256(client_state.encode("utf-8", "surrogatepass")).digest()


def echo(token: str | None) -> str | None:
    """Return the body that answers a handshake, or nothing when this is none that Microsoft Graph would send.

    The answer is the decoded token, as plain text and escaped all the same, so that no browser can take it for a page ("Receive change
    notifications through webhooks", notificationUrl validation).
    """
    if token is None or not 0 < len(token) <= LONGEST_TOKEN or not token.isprintable():
        return None
    return html.escape(token, quote=True)


def judge(body: bytes, digests: Mapping[Stream, bytes]) -> Judged | None:
    """Return what a body says to a job whose subscriptions have these digests of their client states; nothing if it is malformed.

    Only the client state is looked at, and of a lifecycle notification its kind. Everything else in a body could be from anybody.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    items = content.get("value") if isinstance(content, dict) else None
    if not isinstance(items, list):
        return None
    return _judge_items(items, digests)


def _judge_items(items: Sequence[Any], digests: Mapping[Stream, bytes]) -> Judged:
    genuine = foreign = ignored = 0
    hint = False
    wishes: dict[Stream, Wish] = {}
    for item in items:
        stream = _stream_of(item, digests)
        if stream is None:
            foreign += 1
            continue
        genuine += 1
        if "lifecycleEvent" not in item:
            hint = True
            continue
        known = LIFECYCLE.get(str(item["lifecycleEvent"]).casefold())
        if known is None:
            ignored += 1
            continue
        missed, wish = known
        hint = hint or missed
        # A subscription that is to be made anew needs no reauthorization.
        if wish is not None and wishes.get(stream) is not Wish.RECREATE:
            wishes[stream] = wish
    return Judged(genuine=genuine, foreign=foreign, ignored=ignored, hint=hint, wishes=wishes)


def _stream_of(item: Any, digests: Mapping[Stream, bytes]) -> Stream | None:
    """The stream whose client state the item holds. Every digest is compared, in constant time."""
    state = item.get("clientState") if isinstance(item, dict) else None
    if not isinstance(state, str) or len(state) > LONGEST_CLIENT_STATE:
        return None
    digest = digest_of(state)
    found = None
    for stream, known in digests.items():
        if hmac.compare_digest(digest, known):
            found = stream
    return found
