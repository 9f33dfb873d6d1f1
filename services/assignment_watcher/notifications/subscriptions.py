"""Subscriptions at Microsoft Graph, one request each ("Create subscription" and its neighbours)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import quote

from services.assignment_watcher.sources.source import Stream

CHANGES: Final = "updated,deleted"
"""All that users and groups offer; creations and soft deletions come as "updated"."""
MOST_PAGES: Final = 10


class GraphRequests(Protocol):
    """The gateway to Microsoft Graph, as far as subscriptions need it."""

    base: str

    async def get(self, url: str, resource: str) -> tuple[bytes, dict[str, Any]]:
        """Return the body of the answer and what it holds; ``resource`` names it in errors."""

    async def send(self, method: str, url: str, resource: str, body: Any = None) -> dict[str, Any]:
        """Send ``body`` as JSON and return what the answer holds, which may be nothing."""


async def create(graph: GraphRequests, stream: Stream, address: str, client_state: str, until: datetime) -> Any:
    """Ask for a subscription and return it; before it answers, Microsoft Graph asks ``address`` for its consent.

    Raises ``SourceError`` when it is refused.
    """
    wanted = {
        "changeType": CHANGES,
        "resource": stream.value,
        "notificationUrl": address,
        "lifecycleNotificationUrl": address,
        "expirationDateTime": timestamp(until),
        "clientState": client_state,
    }
    return await graph.send("POST", f"{graph.base}/subscriptions", "subscriptions", wanted)


async def renew(graph: GraphRequests, subscription_id: str, until: datetime) -> Any:
    """Give a subscription a longer life and return it; raises ``NotFoundError`` when it is not there any more, and ``SourceError``."""
    body = {"expirationDateTime": timestamp(until)}
    return await graph.send("PATCH", _one(graph, subscription_id), "subscription", body)


async def reauthorize(graph: GraphRequests, subscription_id: str) -> None:
    """Answer a ``reauthorizationRequired``; raises ``NotFoundError`` and ``SourceError``."""
    await graph.send("POST", f"{_one(graph, subscription_id)}/reauthorize", "reauthorize")


async def delete(graph: GraphRequests, subscription_id: str) -> None:
    """End a subscription; raises ``NotFoundError`` when it is not there any more, and ``SourceError``."""
    await graph.send("DELETE", _one(graph, subscription_id), "subscription")


async def find_others(graph: GraphRequests, stream: Stream, address: str, subscription_id: str) -> Sequence[str]:
    """Return the ids of other subscriptions to the same resource that post to the same address.

    They are what is left of tries whose answer did not arrive; raises ``SourceError``.
    """
    others: list[str] = []
    url: str | None = f"{graph.base}/subscriptions"
    for _ in range(MOST_PAGES):
        if url is None:
            break
        _, page = await graph.get(url, "subscriptions")
        others += [
            item["id"]
            for item in page.get("value") or ()
            if _posts_to(item, stream, address) and item["id"] != subscription_id
        ]
        following = page.get("@odata.nextLink")
        url = following if isinstance(following, str) else None
    return others


def timestamp(at: datetime) -> str:
    """Return a time as Microsoft Graph takes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _posts_to(item: Any, stream: Stream, address: str) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("id"), str)
        and item.get("notificationUrl") == address
        and str(item.get("resource", "")).strip("/").casefold() == stream.value
    )


def _one(graph: GraphRequests, subscription_id: str) -> str:
    return f"{graph.base}/subscriptions/{quote(subscription_id, safe='')}"
