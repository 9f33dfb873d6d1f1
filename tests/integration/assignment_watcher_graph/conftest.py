"""A simulated tenant and a source that reads it."""

from collections.abc import AsyncIterator

import pytest

from tests.support.graph_sources import Opened, a_graph_source
from tests.support.graph_tenants import Tenant, a_graph_tenant


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with a_graph_tenant(users=60, groups=4) as running:
        yield running


@pytest.fixture
async def opened(tenant: Tenant) -> AsyncIterator[Opened]:
    async with a_graph_source(tenant) as source:
        yield source
