"""``seatkeeper source show``: how far the source of a job was read, live while the initial cycle runs."""

import asyncio
import sys
from typing import Any

import click

from cli.client import Client, job_argument, json_option, with_console
from cli.output import lasted, print_json, printable

REFRESH_SECONDS = 0.5


@click.group()
def source() -> None:
    """Show how far the source of a job was read."""


@source.command("show")
@job_argument
@json_option
@click.option(
    "--watch/--once", default=None, help="Live view  [default: live on a terminal while the initial cycle runs]"
)
@with_console
async def show(client: Client, job: str | None, as_json: bool, watch: bool | None) -> None:
    """Show the streams of the source of JOB, what is held, what does not count, and the progress of the initial cycle.

    JOB is a job's id, its beginning, or its display name; it may be left out when there is only one. Ctrl-C ends the live view.
    """
    address = f"/jobs/{await client.only_job(job)}/source"
    state = await client.get(address)
    if as_json:
        print_json(state)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    live = watch if watch is not None else sys.stdout.isatty() and state["progress"] is not None
    if not live:
        console.print(view(state))
        return
    with Live(view(state), console=console, refresh_per_second=4) as shown:
        while watch or state["progress"] is not None:
            await asyncio.sleep(REFRESH_SECONDS)
            state = await client.get(address)
            shown.update(view(state))


def view(state: dict[str, Any]) -> Any:
    """Return what to show of a source: the bar of the initial cycle, counts, streams, and what does not count."""
    from rich.console import Group
    from rich.text import Text

    head = Text(state["kind"], style="bold")
    if not state["read"]:
        return Group(head, Text(state["message"]))
    head.append(f"  reported {lasted(state['ageSeconds'])} ago", style="not bold")
    lines: list[Any] = [head]
    if state["message"]:
        lines.append(Text(printable(f"! {state['message']}"), style="red"))
    if state["progress"]:
        lines += [Text(progress_line(state["progress"])), _bar(state["progress"]["percent"])]
    lines += [_streams(state["streams"]), _counts(state)]
    lines += [Text(printable(f"does not count: {item['count']:,} {item['description']}")) for item in state["ignored"]]
    return Group(*lines)


def progress_line(progress: dict[str, Any]) -> str:
    """Return how far the initial cycle is, in one line: what is not known is left out."""
    expected = f" of about {progress['expected']:,}" if progress["expected"] is not None else ""
    parts = [f"initial cycle: {progress['usersRead']:,}{expected} users read"]
    if progress["percent"] is not None:
        parts.append(f"{progress['percent']} %")
    parts.append(f"running for {lasted(progress['runningSeconds'])}")
    if progress["secondsLeft"] is not None:
        parts.append(f"about {lasted(progress['secondsLeft'])} left")
    return ", ".join(parts)


def _bar(percent: int | None) -> Any:
    from rich.padding import Padding
    from rich.progress_bar import ProgressBar

    # The padding of nothing ends the line, which a bar alone does not.
    return Padding(ProgressBar(total=100, completed=percent or 0, pulse=percent is None, width=60), 0)


def _streams(streams: list[dict[str, Any]]) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (
        "STREAM",
        "PHASE",
        "GEN.",
        "ROUNDS",
        "LAST ROUND",
        "PAGES",
        "RECORDS",
        "LINK AGE",
    ):
        table.add_column(column, no_wrap=True)
    for stream in streams:
        last, link = stream["lastRoundAgeSeconds"], stream["linkAgeSeconds"]
        cells = (
            stream["stream"],
            stream["phase"],
            f"{stream['generation']}",
            f"{stream['rounds']:,}",
            "none yet" if last is None else f"{lasted(last)} ago",
            f"{stream['pages']:,}",
            f"{stream['records']:,}",
            "" if link is None else lasted(link),
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    anew = [
        Text(printable(f"{stream['stream']} read anew: {stream['resyncReason']}"))
        for stream in streams
        if stream["resyncReason"]
    ]
    return Group(table, *anew)


def _counts(state: dict[str, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    requests = state["requests"]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in requests["byKind"].items())
    throttled = f"{requests['throttled']:,} throttled"
    if requests["throttled"]:
        throttled += f", {lasted(requests['waitedSeconds'])} waited"
    rows = [
        ("assigned", f"{state['assigned']:,} users, {state['assignedGroups']:,} groups"),
        ("suspects", f"{state['suspects']:,}  (absent once, not believed gone yet)"),
        (
            "held removals",
            f"{state['heldRemovals']:,}" + ("  (seatkeeper holds list)" if state["heldRemovals"] else ""),
        ),
        ("unknown references", f"{state['unknownReferences']:,}"),
        ("drift", f"{state['driftTotal']:,}  (differences that only a second look found)"),
        ("requests", f"{requests['total']:,} in the last cycle{f' ({kinds})' if kinds else ''}, {throttled}"),
    ]
    grid = Table.grid(padding=(0, 2))
    for name, value in rows:
        grid.add_row(Text(name), Text(printable(value)))
    return grid
