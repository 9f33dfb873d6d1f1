"""The one door through which every request of a job goes: rate, pauses that the target asked for, and the breaker."""

import asyncio
import time

from services.scim_writer.pacing import Pacer


class HaltedError(Exception):
    """Nothing may be sent any more: the breaker is open, or the process is to stop. Nothing was sent."""


class Gate:
    """Lets requests of one job through, one after the other when there is something to wait for, at once when there is not."""

    def __init__(self, requests_per_second: float) -> None:
        self._pacer = Pacer(requests_per_second, time.monotonic())
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._halted = False

    def set_rate(self, requests_per_second: float) -> None:
        """Use another rate from now on."""
        held = self._pacer.wait(time.monotonic())
        self._pacer = Pacer(requests_per_second, time.monotonic())
        if held > 0:
            self.hold(held)

    def hold(self, seconds: float) -> None:
        """Let nothing through for this long."""
        self._pacer.hold(time.monotonic() + seconds)

    def halt(self) -> None:
        """Let nothing through, and turn those away who wait."""
        self._halted = True
        self._changed.set()

    def resume(self) -> None:
        """Let requests through again."""
        self._halted = False
        self._changed.clear()

    async def enter(self) -> None:
        """Return when a request may be sent; raise ``HaltedError`` when none may be."""
        if not self._halted and not self._turn.locked():
            now = time.monotonic()
            if self._pacer.wait(now) <= 0:
                self._pacer.take(now)
                return
        async with self._turn:
            while not self._halted:
                now = time.monotonic()
                wait = self._pacer.wait(now)
                if wait <= 0:
                    self._pacer.take(now)
                    return
                await self._sleep(wait)
            raise HaltedError

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
