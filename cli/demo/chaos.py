"""``--kill``: ends one process with SIGKILL in the middle of the initial cycle, twice."""

from collections.abc import Awaitable, Callable
from functools import partial

from cli.demo.stage import Stage

SHARES = (0.2, 0.55)


async def _reached(progress: Callable[[], Awaitable[int]], count: float) -> bool:
    return await progress() >= count


async def kill_twice(stage: Stage, progress: Callable[[], Awaitable[int]], total: int) -> None:
    """Kill when a fifth, and again when about half of the accounts are there; the supervisor starts it again each time."""
    name = stage.options.kill
    assert name is not None
    for share in SHARES:
        await stage.until("the initial cycle goes on", partial(_reached, progress, share * total), every=0.01)
        stage.supervisor.kill(name)
        stage.notes.kills += 1
        stage.narrator.bad(f"SIGKILL: {name}")
        await stage.supervisor.ready(name)
        stage.narrator.good(f"{name} is back")
