"""The command line, signed in to the console of the running system."""

from collections.abc import AsyncIterator

import pytest

from tests.support.commands import Command, Ran, seatkeeper
from tests.support.systems import LiveSystem, live_system


@pytest.fixture(scope="package")
async def live() -> AsyncIterator[LiveSystem]:
    """The whole system as child processes, with simulators and one job; one for all tests of this folder that look at it."""
    async with live_system() as running:
        yield running


@pytest.fixture
def command(live: LiveSystem) -> Command:
    """Runs ``seatkeeper ARGUMENTS`` as an administrator of the running system. Nothing that it prints may hold a secret (I9)."""
    signed_in = {"SEATKEEPER_URL": live.stage.system.console_url, "SEATKEEPER_TOKEN": live.stage.system.token}

    async def run(*arguments: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> Ran:
        ran = await seatkeeper(*arguments, env={**signed_in, **(env or {})}, stdin=stdin)
        for secret in (*live.stage.notes.secrets, "canary"):
            assert secret not in ran.out + ran.err, f"seatkeeper {arguments[0]} printed a secret"
        return ran

    return run
