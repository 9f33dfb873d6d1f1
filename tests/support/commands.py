"""The command line as a person or a script uses it: a process of its own, what it printed, and how it ended."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from tests.support.repository import ROOT

_PASSED_ON = ("PATH", "HOME", "LANG", "SEATKEEPER_CACHE_DIR")
LONGEST_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """Exit status and what was printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which is one JSON document."""
        return orjson.loads(self.out)

    @property
    def sentence(self) -> str:
        """What was printed to standard error and says what is wrong: one line, and one indented line for each place; no stack trace."""
        assert "Traceback" not in self.err
        _first, *places = self.err.strip().splitlines()
        assert all(place.startswith("  ") for place in places), self.err
        return self.err.strip()


Command = Callable[..., Awaitable[Ran]]
"""Like ``seatkeeper`` below, signed in to some console."""


async def seatkeeper(*arguments: str, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> Ran:
    """Run ``seatkeeper`` with these arguments and no variable of ours but ``env``."""
    async with started(*arguments, env=env) as process:
        async with asyncio.timeout(LONGEST_SECONDS):
            out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return Ran(code=process.returncode, out=out.decode(), err=err.decode())


@asynccontextmanager
async def started(*arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """The running command; it is ended with the block."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli.main",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**passed, "COLUMNS": "220", **(env or {})},
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
