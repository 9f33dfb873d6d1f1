"""A simulated tenant, and a watcher of it on a database of its own; modules that need another one have their own."""

from collections.abc import AsyncIterator

import pytest

from tests.support.builders_assignment_watcher import Tenant, Watcher, a_tenant, a_watcher


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with a_tenant(users=40, groups=4) as running:
        yield running


@pytest.fixture
async def watcher(database_url: str, tenant: Tenant) -> AsyncIterator[Watcher]:
    async with a_watcher(database_url, tenant) as opened:
        yield opened
