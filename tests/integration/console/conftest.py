"""A console on its own database, listening on a free port."""

from collections.abc import AsyncIterator

import pytest

from shared.runtime.frame import Frame
from tests.support.builders_console import Console, opened_frame, running_console


@pytest.fixture
async def frame(database_url: str) -> AsyncIterator[Frame]:
    """A migrated database behind a frame."""
    async with opened_frame(database_url) as opened:
        yield opened


@pytest.fixture
async def console(database_url: str) -> AsyncIterator[Console]:
    """A running console as it is in production: http to loopback is not taken."""
    async with running_console(database_url) as running:
        yield running
