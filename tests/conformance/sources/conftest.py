"""Every source with a directory behind it. A new source needs its world here, and passes everything beside this file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from services.assignment_watcher.sources.source import Source
from shared.runtime.http import HttpClient, Limits
from simulators.graph.knobs import Knobs
from simulators.graph.server import GraphSimulator, start
from tests.conformance.graph.client import Graph
from tests.conformance.sources.graphs import GraphWorld
from tests.conformance.sources.snapshots import PATHS, SnapshotWorld
from tests.conformance.sources.world import World

GRAPH = "microsoft-graph"
SNAPSHOTS = {f"snapshot-{layout}": layout for layout in PATHS}
KINDS = (GRAPH, *SNAPSHOTS)


@pytest.fixture(scope="session")
async def graph_simulator() -> AsyncIterator[GraphSimulator]:
    running = await start()
    yield running
    await running.close()


@pytest.fixture(params=KINDS)
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, graph_simulator: GraphSimulator
) -> AsyncIterator[World]:
    """An empty directory behind each kind of source."""
    if request.param in SNAPSHOTS:
        folder = tmp_path / "snapshots"
        folder.mkdir()
        yield SnapshotWorld(folder, SNAPSHOTS[request.param])
    else:
        async with graph_world(graph_simulator) as opened:
            yield opened


@asynccontextmanager
async def graph_world(simulator: GraphSimulator) -> AsyncIterator[World]:
    limits = Limits(total_seconds=10, answer_bytes=20_000_000)
    http = HttpClient("microsoft-graph", allow_insecure_loopback=True, limits=limits)
    async with aiohttp.ClientSession() as session:
        client = Graph(simulator.url, session)
        for what in ("faults", "clock"):
            await client.sim("DELETE", what)
        await client.sim("POST", "knobs", Knobs().as_json())
        await client.seed(users=0, groups=0)
        try:
            yield GraphWorld(client, http)
        finally:
            await client.sim("DELETE", "faults")
            await http.close()


@pytest.fixture
def source(world: World) -> Source:
    return world.source()
