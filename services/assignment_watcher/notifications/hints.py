"""From the process that got a notification to the one that polls: pg_notify out, LISTEN in, and callbacks by job."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from services.assignment_watcher.notifications.judging import Wish
from services.assignment_watcher.notifications.store import QUERIES
from services.assignment_watcher.sources.source import Stream
from shared.runtime.database import TRANSIENT_ERRORS
from shared.runtime.frame import Frame
from shared.runtime.wakeups import any_set

HINTS: Final = "assignment-watcher-hint"
"""The channel; the payload is a job id. A hint that nobody hears is lost, and the next poll does without."""
WISHES: Final = "assignment-watcher-subscription"
"""The channel on which a process says that it noted a wish in the row of a subscription; the payload is a job id."""

GATHER_SECONDS: Final = 0.05
"""How long after telling hints the next ones are gathered: a flood becomes twenty statements a second."""
ALIVE_SECONDS: Final = 10.0
"""How often the listening connection is tried: one that died says nothing by itself."""

Callback = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Who follows a job here: what to call at a hint, and what when a subscription has to be looked at."""

    on_hint: Callback
    on_wish: Callback


@dataclass(slots=True)
class Hints:
    """The hints of this process: those to tell, and who is to hear them."""

    _followers: dict[str, list[Follower]] = field(default_factory=dict)
    _hinted: set[str] = field(default_factory=set)
    _wished: dict[tuple[str, Stream], Wish] = field(default_factory=dict)
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    _deaf: bool = False

    @contextmanager
    def following(self, job_id: str, *, on_hint: Callback, on_wish: Callback) -> Iterator[None]:
        """Call back in the running loop, whichever process was told, while the block runs."""
        follower = Follower(on_hint=on_hint, on_wish=on_wish)
        self._followers.setdefault(job_id, []).append(follower)
        try:
            yield
        finally:
            self._followers[job_id].remove(follower)
            if not self._followers[job_id]:
                del self._followers[job_id]

    def tell(self, job_id: str, *, hint: bool, wishes: Mapping[Stream, Wish]) -> None:
        """Let the process that polls this job know. Returns at once; what comes together is told together."""
        if hint:
            self._hinted.add(job_id)
        self._wished |= {(job_id, stream): wish for stream, wish in wishes.items()}
        if hint or wishes:
            self._filled.set()

    async def pass_on(self, frame: Frame) -> None:
        """Tell what there is to tell until the service stops. While PostgreSQL is away it is kept: one hint for each job."""
        while not frame.stopping.is_set():
            await any_set(self._filled, frame.stopping)
            self._filled.clear()
            hinted, wished = self._hinted, self._wished
            self._hinted, self._wished = set(), {}
            try:
                await _tell(frame, hinted, wished)
            except TRANSIENT_ERRORS:
                self._hinted |= hinted
                self._wished = wished | self._wished
                self._filled.set()
                await frame.pause(1.0)
            await frame.pause(GATHER_SECONDS)

    async def listen(self, frame: Frame) -> None:
        """Hear what is told, over a connection of its own, until the service stops; raises when that connection is lost."""
        lost = asyncio.Event()
        async with frame.database.dedicated() as connection:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(HINTS, lambda *told: self._call(told[-1], "on_hint"))
            await connection.add_listener(WISHES, lambda *told: self._call(told[-1], "on_wish"))
            if self._deaf:
                # Something may have been told while nobody listened.
                for job_id in tuple(self._followers):
                    self._call(job_id, "on_hint")
                    self._call(job_id, "on_wish")
            self._deaf = True
            while not frame.stopping.is_set():
                await any_set(lost, frame.stopping, within=ALIVE_SECONDS)
                await connection.execute("SELECT 1")

    def _call(self, job_id: str, name: str) -> None:
        for follower in tuple(self._followers.get(job_id, ())):
            getattr(follower, name)()


async def _tell(frame: Frame, hinted: set[str], wished: dict[tuple[str, Stream], Wish]) -> None:
    async with frame.connection() as connection:
        if wished:
            await connection.execute(
                QUERIES.tell_wishes,
                WISHES,
                [job_id for job_id, _ in wished],
                [stream.value for _, stream in wished],
                [wish.value for wish in wished.values()],
            )
        if hinted:
            await connection.execute(QUERIES.tell_hints, HINTS, sorted(hinted))
