"""Fixtures for every test. Nothing is started before a test asks for it."""

import os
import secrets
import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from deploy.embedded.servers import Servers
from tests.support.servers import TestSettings, fresh_database, test_servers, wipe_environment
from tests.support.systems import LiveSystem, live_system

# Read, then wiped, before any test module is imported.
_SETTINGS = TestSettings.read(os.environ)
wipe_environment(os.environ)
# Here, so that every worker of a run has the same one, and a failed run can be had again.
os.environ.setdefault("SEATKEEPER_TEST_FUZZ_SEED", str(secrets.randbelow(2**32)))


def pytest_report_header() -> str:
    """Say from which seed random histories come (tests/fuzz)."""
    return f"random histories: SEATKEEPER_TEST_FUZZ_SEED={os.environ['SEATKEEPER_TEST_FUZZ_SEED']}"


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    """A Kafka and a PostgreSQL for the whole run (see tests/support/servers.py)."""
    async with test_servers(_SETTINGS) as running:
        yield running


@pytest.fixture(scope="session")
def kafka(servers: Servers) -> str:
    """Bootstrap servers of a real Kafka. It is shared: name topics and groups by `topic_prefix` and `unique`."""
    return servers.kafka_bootstrap_servers


@pytest.fixture(scope="module")
async def live() -> AsyncIterator[LiveSystem]:
    """The whole system as child processes, with simulators and one job; shared by the tests of a module that look at it from outside.

    Not by all modules: while nobody looks at it, it would take a third of a processor away from the other tests.
    """
    async with live_system() as running:
        yield running


@pytest.fixture
async def database_url(servers: Servers) -> AsyncIterator[str]:
    """A new, empty database for this test."""
    async with fresh_database(servers.database_url) as url:
        yield url


@pytest.fixture
def topic_prefix() -> str:
    """To put before topic names, so that tests do not meet: "t3f2…-"."""
    return f"t{uuid.uuid4().hex[:12]}-"


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes a name that no other test has: `unique("group")` is "group-3f2…"."""
    return lambda name: f"{name}-{uuid.uuid4().hex[:12]}"
