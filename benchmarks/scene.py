"""A whole system with a tenant, a target and a job, ready to be started: one for each scenario."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from cli.client import connected
from cli.demo import opening
from cli.demo.invariants import entitled
from cli.demo.narrator import Narrator
from cli.demo.simulated import Simulated
from cli.demo.stage import Notes, Options, Stage
from cli.system import whole_system
from deploy.embedded import Supervisor, open_data_folder


@asynccontextmanager
async def scene(options: Options) -> AsyncIterator[tuple[Stage, int]]:
    """Bring a system up, assign everyone, and yield the stage and how many are to have an account. The job is not started."""
    path = Path(tempfile.mkdtemp(prefix="seatkeeper-bench-"))
    try:
        with open_data_folder(path) as folder:
            async with (
                Supervisor(log_folder=folder.logs, record=folder.processes) as supervisor,
                whole_system(folder, supervisor, simulators=True, report=lambda _: None) as system,
                aiohttp.ClientSession() as session,
                connected(system.console_url, system.token) as console,
            ):
                assert system.simulators is not None
                stage = Stage(
                    options=options,
                    narrator=Narrator(silent=True),
                    system=system,
                    supervisor=supervisor,
                    console=console,
                    simulated=Simulated(session, system.simulators),
                    notes=Notes(),
                )
                users = await opening.prepare_directory(stage)
                token = await opening.set_up_target(stage)
                await opening.create_job(stage, token)
                await opening.assign_everyone(stage, users)
                truth = (await stage.simulated.graph("GET", "/truth?role=User"))["users"]
                yield stage, min(sum(entitled(user) for user in truth.values()), options.seats)
    finally:
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


async def initial_cycle(stage: Stage, wanted: int) -> float:
    """Start the job and wait until ``wanted`` accounts are active. Returns seconds from the start to the last write's arrival."""
    began = time.time()
    await stage.console.post(f"/jobs/{stage.notes.job_id}/start")

    async def done() -> bool:
        return int((await stage.simulated.state())["active"]) >= wanted

    await stage.until(f"{wanted} accounts are active", done, within=600, every=0.25)
    writes = await stage.simulated.writes()
    return float(max(write["at"] for write in writes)) - began


def cpu_seconds(stage: Stage) -> dict[str, float]:
    """Return the CPU seconds that each process has used so far."""
    return {usage.name: usage.cpu_seconds for usage in stage.supervisor.usage()}


def rss_mib(stage: Stage) -> dict[str, float]:
    """Return the resident memory of each service in MiB."""
    return {
        usage.name: round(usage.rss_mib, 1) for usage in stage.supervisor.usage() if usage.name in stage.system.http
    }
