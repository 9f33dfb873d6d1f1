"""The system in which processes are ended."""

from collections.abc import AsyncIterator

import pytest

from tests.support.systems import LiveSystem, live_system


@pytest.fixture(scope="package")
async def live() -> AsyncIterator[LiveSystem]:
    """The whole system as child processes, with simulators and one job; one for all tests of this folder."""
    async with live_system() as running:
        yield running
