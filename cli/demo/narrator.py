"""What the demo says: the tutorial's words for people, or nothing at all."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

Counted = Callable[[], Awaitable[int]]


class Narrator:
    """Tells the story on standard output; a silent one tells it to nobody."""

    def __init__(self, *, silent: bool) -> None:
        self._console = Console(quiet=silent, highlight=False)
        self._silent = silent
        self._step = 0
        self._began = time.monotonic()

    def step(self, title: str) -> None:
        """Begin a step of the tutorial."""
        self._step += 1
        self._console.print(f"\n[bold cyan]{self._step:>2}. {title}[/]  [dim]{time.monotonic() - self._began:.1f} s[/]")

    def say(self, text: str) -> None:
        """Say one line."""
        self._console.print(f"    {text}", markup=False)

    def good(self, text: str) -> None:
        """Say that something went as it should."""
        self._console.print(f"    [green]✓[/] {text}")

    def bad(self, text: str) -> None:
        """Say that something did not."""
        self._console.print(f"    [red]✗[/] {text}")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Show rows below their column names."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in columns:
            table.add_column(column)
        for row in rows:
            table.add_row(*(str(cell) for cell in row))
        self._console.print(table)

    async def progress(self, what: str, total: int, counted: Counted, *, within: float, every: float = 0.1) -> int:
        """Show a bar until ``counted`` reaches ``total``; returns the count, which is less when ``within`` seconds ran out."""
        deadline = time.monotonic() + within
        columns = (TextColumn("    {task.description}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, disable=self._silent) as bar:
            task = bar.add_task(what, total=total)
            while True:
                count = await counted()
                bar.update(task, completed=min(count, total))
                if count >= total or time.monotonic() > deadline:
                    return count
                await asyncio.sleep(every)
