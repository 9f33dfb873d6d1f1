from collections.abc import AsyncIterator

import aiohttp
import pytest

from simulators.graph.knobs import Knobs
from simulators.graph.server import GraphSimulator, start
from tests.conformance.graph.client import Graph


@pytest.fixture(scope="session")
async def simulator() -> AsyncIterator[GraphSimulator]:
    running = await start()
    yield running
    await running.close()


@pytest.fixture
async def graph(simulator: GraphSimulator) -> AsyncIterator[Graph]:
    """A client of a simulator with default knobs, no faults and an empty tenant."""
    async with aiohttp.ClientSession() as http:
        client = Graph(simulator.url, http)
        for what in ("faults", "clock"):
            await client.sim("DELETE", what)
        await client.sim("POST", "knobs", Knobs().as_json())
        await client.seed(users=0, groups=0)
        await client.sim("DELETE", "journal")
        yield client
