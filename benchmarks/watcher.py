"""What the assignment-watcher costs by itself: the initial cycle of a large tenant, a cycle with changes, a quiet one, slow pages.

The real service process over the real Kafka and PostgreSQL, against the simulated Microsoft Graph, each of them on the same machine.
"""

import asyncio
import json
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from benchmarks.watched import Sizes, Watched, watched
from deploy.embedded import Supervisor, open_data_folder

QUIET_CYCLES = 5


async def measure(sizes: Sizes, changes: int, latency_ms: float) -> dict[str, Any]:
    """Run every scenario once and return the figures."""
    path = Path(tempfile.mkdtemp(prefix="seatkeeper-watcher-"))
    try:
        with open_data_folder(path) as folder:
            async with (
                Supervisor(log_folder=folder.logs, record=folder.processes) as supervisor,
                watched(folder, supervisor, sizes) as scene,
            ):
                figures = await _initial(scene)
                figures |= await _changes(scene, changes)
                figures |= await _quiet(scene)
                figures |= await _slow(scene, latency_ms)
                return figures
    finally:
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


async def _initial(scene: Watched) -> dict[str, Any]:
    before, began = scene.cpu_seconds(), time.monotonic()
    await scene.start("PT1S")
    await scene.until(scene.initial_completed, within=900)
    seconds = time.monotonic() - began
    after = scene.cpu_seconds()
    people = await scene.people()
    await scene.until(scene.published, within=600)
    return {
        "initialSeconds": round(seconds, 2),
        "initialPublishedSeconds": round(time.monotonic() - began, 2),
        "peopleSaid": people,
        "peakRssMiB": scene.peak_rss_mib(),
        "cpuSeconds": {name: round(after[name] - before.get(name, 0.0), 1) for name in sorted(after)},
        "requests": await scene.requests(),
    }


async def _changes(scene: Watched, count: int) -> dict[str, Any]:
    said = await scene.versions()
    seconds, cycles = await scene.cycle_seconds("changed")
    await scene.change(count)

    async def heard() -> bool:
        return await scene.versions() >= said + count

    await scene.until(heard, within=300)
    await scene.until(scene.published, within=300)
    later, more = await scene.cycle_seconds("changed")
    return {"incrementalSeconds": round(later - seconds, 2), "incrementalCycles": more - cycles, "changes": count}


async def _quiet(scene: Watched) -> dict[str, Any]:
    await scene.forget_requests()
    before, _ = await scene.cycle_seconds("unchanged")
    rounds, cpu = await scene.rounds(), scene.cpu_seconds()["assignment-watcher"]

    async def enough() -> bool:
        return await scene.rounds() >= rounds + QUIET_CYCLES

    await scene.until(enough, within=120)
    cycles = await scene.rounds() - rounds
    cpu = scene.cpu_seconds()["assignment-watcher"] - cpu
    asked = sum((await scene.requests()).values())
    later, _ = await scene.cycle_seconds("unchanged")
    return {
        "quietRequests": round(asked / cycles, 1),
        "quietCpuSeconds": round(cpu / cycles, 3),
        "quietSeconds": round((later - before) / cycles, 3),
    }


async def _slow(scene: Watched, latency_ms: float) -> dict[str, Any]:
    """A second job, read for the first time with slow pages: the longest chain of pages is what it cannot beat."""
    await scene.latency(latency_ms)
    await scene.forget_requests()
    began = time.monotonic()
    await scene.start("PT1M", job="slow")
    await scene.until(lambda: scene.initial_completed("slow"), within=1200)
    seconds = time.monotonic() - began
    pages = await scene.requests()
    chain = max(pages.get(name, 0) for name in ("appRoleAssignedTo", "groups/delta", "users/delta"))
    bound = chain * latency_ms / 1000
    return {
        "latencySeconds": round(seconds, 2),
        "latencyBoundSeconds": round(bound, 2),
        "latencyBoundRatio": round(seconds / bound, 2) if bound else None,
    }


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--json", "as_json", is_flag=True, help="Print nothing but one JSON document.")
@click.option("--users", default=100_000, show_default=True, type=click.IntRange(20, 1_000_000))
@click.option(
    "--groups", default=5_000, show_default=True, type=click.IntRange(1, 50_000), help="All of them are assigned."
)
@click.option("--memberships", default=1_000_000, show_default=True, type=click.IntRange(0, 10_000_000))
@click.option("--changes", default=1_000, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--latency-ms", default=100.0, show_default=True, type=click.FloatRange(1, 10_000))
def main(*, as_json: bool, users: int, groups: int, memberships: int, changes: int, latency_ms: float) -> None:
    """Measure and print."""
    sizes = Sizes(users=users, groups=groups, memberships=memberships)
    figures = asyncio.run(measure(sizes, changes, latency_ms))
    figures["tenant"] = {"users": users, "groups": groups, "memberships": memberships}
    if as_json:
        click.echo(json.dumps(figures))
        return
    click.echo(f"python -m benchmarks.watcher on {platform.machine()}, Python {platform.python_version()}")
    for name, value in figures.items():
        click.echo(f"  {name:24} {value}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
