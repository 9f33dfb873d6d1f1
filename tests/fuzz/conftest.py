"""How many runs, from which seed, and the world that they share."""

import os
import secrets
from collections.abc import AsyncIterator

import pytest

from deploy.embedded.servers import Servers
from tests.fuzz.world import World, a_world
from tests.support.databases import fresh_database

RUNS = int(os.environ.get("SEATKEEPER_TEST_FUZZ_RUNS", "200"))
SEED = int(os.environ.get("SEATKEEPER_TEST_FUZZ_SEED") or secrets.randbelow(2**32))


@pytest.fixture(scope="session")
async def world(servers: Servers) -> AsyncIterator[World]:
    """One simulator and one database for all runs."""
    async with fresh_database(servers.database_url) as url, a_world(url) as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say from which seed the runs came."""
    terminalreporter.write_line(
        f"fuzz: {RUNS} runs from seed {SEED}; the same again: SEATKEEPER_TEST_FUZZ_RUNS={RUNS} SEATKEEPER_TEST_FUZZ_SEED={SEED}"
    )
