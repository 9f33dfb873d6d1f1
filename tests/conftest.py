"""Fixtures for every test. Nothing is started before a test asks for it."""

import os
import secrets
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from deploy.embedded.servers import Servers
from tests.support.databases import Databases, fresh_database
from tests.support.servers import TestSettings, test_servers, wipe_environment

# Read, then wiped, before any test module is imported.
_SETTINGS = TestSettings.read(os.environ)
wipe_environment(os.environ)
# Here, so that every worker of a run has the same one, and a failed run can be had again.
os.environ.setdefault("SEATKEEPER_TEST_FUZZ_SEED", str(secrets.randbelow(2**32)))


class _ByFileOrPackage(LoadScopeScheduling):
    """The tests of a file run on one worker; those of a package all on the same, because they share what takes long to start."""

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0])
        return str(file.parent if (self.config.rootpath / file).with_name("__init__.py").exists() else file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Say how tests are dealt out to workers (pytest-xdist)."""
    return _ByFileOrPackage(config, log)


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


@pytest.fixture(scope="session")
async def databases(servers: Servers) -> AsyncIterator[Databases]:
    """Databases that tests have one after the other (see tests/support/databases.py)."""
    shared = Databases(servers.database_url)
    yield shared
    await shared.drop()


@pytest.fixture
async def database_url(databases: Databases) -> AsyncIterator[str]:
    """A database of this test alone, with the schemas of every service and no row."""
    async with databases.one() as url:
        yield url


@pytest.fixture
async def bare_database_url(servers: Servers) -> AsyncIterator[str]:
    """A new database of this test alone, without any schema."""
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
