"""Waiting for the first of several events."""

import asyncio


async def any_set(*events: asyncio.Event, within: float | None = None) -> bool:
    """Wait until one of ``events`` is set, for ``within`` seconds at the most; return whether one is."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waiting, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    return bool(done)
