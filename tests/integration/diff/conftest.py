"""One frame of diff with one job on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from services.diff.settings import DiffSettings
from shared.runtime.frame import Frame
from shared.runtime.jobs import store_jobs
from tests.support.builders_diff import job_record, received
from tests.support.frames import opened_frame, settings_for


@pytest.fixture
async def frame(database_url: str) -> AsyncIterator[Frame]:
    async with opened_frame("diff", settings_for(database_url, kind=DiffSettings)) as opened:
        async with opened.transaction() as tx:
            await store_jobs(tx, [received(job_record())])
        yield opened
