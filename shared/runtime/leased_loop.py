"""A loop of which one process of a service does the work at a time."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from shared.runtime.errors import LeaseLostError
from shared.runtime.frame import Frame
from shared.runtime.leases import Lease
from shared.runtime.service import Background

TRY_AGAIN_SECONDS: Final = 1.0


def leased(name: str, serve: Callable[[Frame, Lease], Awaitable[None]]) -> Background:
    """Return a loop called ``name`` that serves while this process holds the lease of that name, and otherwise tries to get it.

    ``serve`` goes on until ``frame.stopping`` is set, beats for ``name``, and raises ``LeaseLostError`` by itself when it checks or fences
    a lease that another process has by now.
    """

    async def run(frame: Frame) -> None:
        while not frame.stopping.is_set():
            frame.health.beat(name)
            async with frame.lease(name) as lease:
                if lease is not None:
                    with suppress(LeaseLostError):  # another process goes on
                        await serve(frame, lease)
            frame.health.beat(name)
            await frame.pause(TRY_AGAIN_SECONDS)
        frame.health.finished(name)

    return Background(name=name, run=run)
