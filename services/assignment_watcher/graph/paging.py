"""Following the links of a listing or of a delta round, page by page ("Paging Microsoft Graph data in your app")."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Set
from dataclasses import dataclass
from typing import Any, Final

import orjson

from services.assignment_watcher.graph.answers import same_origin
from services.assignment_watcher.graph.gateway import Asked, Graph
from services.assignment_watcher.sources.source import RestartRoundError, SourceUnavailableError

MOST_PAGES: Final = 50_000
MOST_REPEATS: Final = 3
MOST_EMPTY_PAGES: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: its ``value``, the answer it came in, and where it goes on or where the next round starts."""

    value: list[Any]
    body: bytes
    following: str | None
    delta_link: str | None


class LoopGuard:
    """Ends a chain of pages that does not end by itself: chains of links that repeat the same page have been reported."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._seen: Counter[bytes] = Counter()
        self._pages = self._empty = 0

    def check(self, value: list[Any], *, expected: Set[bytes] = frozenset()) -> bytes:
        """Count one page and return its digest; raises ``SourceUnavailableError`` when the chain goes in circles or does not end.

        A page whose digest is ``expected`` was asked for again, so that it is no sign of a circle.
        """
        self._pages += 1
        self._empty = 0 if value else self._empty + 1
        digest = hashlib.blake2b(orjson.dumps(value), digest_size=16).digest() if value else b""
        if value and digest not in expected:
            self._seen[digest] += 1
        if self._seen[digest] >= MOST_REPEATS or self._empty > MOST_EMPTY_PAGES:
            raise SourceUnavailableError(
                f"Microsoft Graph repeats pages of {self._what} without end; the read was cut at page {self._pages}"
            )
        if self._pages > MOST_PAGES:
            raise SourceUnavailableError(
                f"Microsoft Graph gives pages of {self._what} without end; the read was cut after {MOST_PAGES} pages"
            )
        return digest


async def follow(
    graph: Graph, url: str, asked: Asked, *, delta_token: bool = False, page_token: bool = False, proven: bool = False
) -> AsyncIterator[Page]:
    """Yield the pages that begin at ``url``.

    The link of a page whose request had to be repeated may be invalid ("Microsoft Graph throttling guidance" and the troubleshooting of
    page tokens), so the last link that the answer to a first try gave is kept. When a page token is dead, that one is asked for again,
    once; then ``RestartRoundError`` is left to the caller. Pages that come the same a second time by that are not yielded again.
    """
    guard, good, asked_again = LoopGuard(asked.kind), None, None
    since_good: set[bytes] = set()
    seen_before: set[bytes] = set()
    while True:
        try:
            reply = await graph.read(url, asked, delta_token=delta_token, page_token=page_token, proven=proven)
        except RestartRoundError:
            if good is None or good == asked_again:
                raise
            asked_again = url = good
            seen_before |= since_good
            since_good.clear()
            continue
        page = _page(graph, reply.body, reply.content, asked.kind)
        digest = guard.check(page.value, expected=seen_before)
        if digest in seen_before and page.following is not None:
            seen_before.discard(digest)
        else:
            yield page
        if page.following is None:
            return
        if reply.retried:
            since_good.add(digest)
        else:
            good = page.following
            since_good.clear()
        url, delta_token, page_token = page.following, False, True


def _page(graph: Graph, body: bytes, content: dict[str, Any], kind: str) -> Page:
    value = content.get("value")
    if not isinstance(value, list):
        raise SourceUnavailableError(f"Microsoft Graph gave a page of {kind} without a list of values")
    links = [content.get("@odata.nextLink"), content.get("@odata.deltaLink")]
    for link in links:
        if link is not None and not same_origin(graph.root, link):
            raise SourceUnavailableError(f"Microsoft Graph gave a link for {kind} to another host; it is not followed")
    return Page(value=value, body=body, following=links[0], delta_link=links[1])
