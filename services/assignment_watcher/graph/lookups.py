"""Point reads: one by itself, more of them by JSON batching, each answered and retried on its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from services.assignment_watcher.graph.answers import Verdict, claims_challenge, classify, error_code, retry_after
from services.assignment_watcher.graph.batching import MOST_IN_BATCH, Inner, pack, unpack
from services.assignment_watcher.graph.gateway import Asked, Graph
from services.assignment_watcher.graph.refusals import NotFoundError

Object = Mapping[str, Any]


async def find(graph: Graph, paths: Sequence[str], asked: Asked, *, content: Any = None) -> list[Object | None]:
    """Return the object at each of the ``paths`` (relative to the version, with a slash first), or nothing where Graph says 404.

    With ``content`` each of them is asked by a POST of that: a function that only reads. Batching saves round trips, but no quota. Raises
    ``SourceError`` when any of them is neither there nor missing.
    """
    if len(paths) == 1:
        try:
            if content is not None:
                return [await graph.post(graph.base + paths[0], orjson.dumps(content), asked)]
            return [(await graph.read(graph.base + paths[0], asked)).content]
        except NotFoundError:
            return [None]
    found: list[Object | None] = []
    for start in range(0, len(paths), MOST_IN_BATCH):
        found += await _Batch(graph, paths[start : start + MOST_IN_BATCH], asked, content).run()
    return found


@dataclass(slots=True)
class _Delay:
    """Why and how long the unanswered rest of a batch waits: as long as the longest wish among its answers."""

    problem: str
    status: int | None = None
    seconds: float | None = None
    everybody: bool = False

    def note(self, problem: str, status: int, seconds: float | None, *, everybody: bool) -> None:
        """Take one more answer into account."""
        self.problem, self.status, self.everybody = problem, status, self.everybody or everybody
        if seconds is not None:
            self.seconds = max(self.seconds or 0.0, seconds)


class _Batch:
    """One batch, sent again with what is unanswered until nothing is."""

    def __init__(self, graph: Graph, paths: Sequence[str], asked: Asked, content: Any) -> None:
        self._graph = graph
        self._asked = asked
        self._content = content
        self._waiting = {str(number): path for number, path in enumerate(paths, 1)}
        self._found: dict[str, Object | None] = dict.fromkeys(self._waiting)
        self._refreshed = False

    async def run(self) -> list[Object | None]:
        attempts = self._graph.attempts()
        outer = replace(self._asked, kind="$batch")
        while True:
            attempts.made += 1
            body = pack(self._waiting, in_background=self._asked.in_background, content=self._content)
            answers = unpack(await self._graph.post(f"{self._graph.base}/$batch", body, outer))
            delay = _Delay(f"Microsoft Graph left reads of {self._asked.kind} in a batch unanswered")
            for key in tuple(self._waiting):
                if (inner := answers.get(key)) is not None:
                    self._take(key, inner, delay)
            if not self._waiting:
                return list(self._found.values())
            self._refreshed = self._refreshed or delay.status == 401
            await attempts.wait(delay.problem, status=delay.status, asked=delay.seconds, everybody=delay.everybody)

    def _take(self, key: str, inner: Inner, delay: _Delay) -> None:
        kind, body = self._asked.kind, orjson.dumps(inner.body)
        verdict = classify(inner.status, body, delta_token=False, page_token=False)
        problem = f"Microsoft Graph answered {kind} in a batch with {inner.status} {error_code(body)}".rstrip()
        if verdict is Verdict.NOT_FOUND or (verdict is Verdict.OK and isinstance(inner.body, dict)):
            del self._waiting[key]
            self._found[key] = inner.body if verdict is Verdict.OK else None
        elif verdict is Verdict.REFRESH_TOKEN and not self._refreshed:
            self._graph.tokens.forget(claims_challenge(inner.challenge))
            delay.note(problem, inner.status, None, everybody=False)
        else:
            self._graph.refuse(verdict, kind, inner.status, body)
            self._graph.traffic.throttled += inner.status == 429
            asked = retry_after(inner.retry_after, datetime.now(UTC))
            delay.note(problem, inner.status, asked, everybody=verdict is Verdict.WAIT or asked is not None)
