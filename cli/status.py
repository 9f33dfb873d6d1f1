"""``seatkeeper status``: the cycle and the counts of a job, once or live."""

import asyncio
import sys
from typing import Any

import click

from cli.client import Client, job_option, json_option, with_console
from cli.output import ago, print_json, with_advice

REFRESH_SECONDS = 0.5


@click.command()
@job_option
@json_option
@click.option("--watch/--once", default=None, help="Live view  [default: live on a terminal]")
@with_console
async def status(client: Client, job: str | None, as_json: bool, watch: bool | None) -> None:
    """Show the cycle and the counts of a job; Ctrl-C ends the live view."""
    job_id = await client.only_job(job)
    if as_json:
        print_json((await client.get(f"/jobs/{job_id}"))["status"])
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if watch is None:
        watch = sys.stdout.isatty()
    if not watch:
        console.print(view(await client.get(f"/jobs/{job_id}")))
        return
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            live.update(view(await client.get(f"/jobs/{job_id}")))
            await asyncio.sleep(REFRESH_SECONDS)


def view(job: dict[str, Any]) -> Any:
    """Return what to show of a job: state, cycle, counts, and what needs attention."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    state = job["status"]
    head = Text.assemble((job["displayName"], "bold"), f"  {state['state']}")
    counts = Table.grid(padding=(0, 2))
    for name, count in state["counts"].items():
        counts.add_row(name, f"{count:>7,}")
    lines: list[Any] = [head, Text(_cycle(state)), counts]
    lines += [
        Text(f"! {with_advice(condition['failure']['message'], condition['failure']['advice'])}", style="red")
        for condition in state["conditions"]
        if condition.get("failure")
    ]
    return Group(*lines)


def _cycle(state: dict[str, Any]) -> str:
    current, last = state.get("currentCycle"), state.get("lastCycle")
    if current:
        return f"{current['kind']} cycle running, {current['objects']:,} objects, began {ago(current['startedAt'])}"
    if last:
        return f"last cycle: {last['kind']}, {last['phase']}, {last['objects']:,} objects, ended {ago(last.get('endedAt'))}"
    return "no cycle yet"
