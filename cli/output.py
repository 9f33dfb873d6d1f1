"""What commands print: JSON for machines, tables for people."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import orjson


def print_json(value: Any) -> None:
    """Print one JSON document to standard output."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Print rows below their column names, or one sentence when there are none."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else printable(str(cell)) for cell in row))
    Console().print(table if table.row_count else empty, markup=False, highlight=False)


def printable(text: str) -> str:
    """Return a text without what a terminal would obey instead of showing: names and reasons were written by others."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def with_advice(message: str, advice: str | None) -> str:
    """Return what happened and what to do about it, as sentences of their own."""
    return f"{message.rstrip('.')}. {advice}" if advice else message


def ago(when: str | None) -> str:
    """Return how long ago an RFC 3339 time was, in words."""
    if not when:
        return "never"
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(when)).total_seconds())
    return f"{lasted(max(seconds, 0))} ago"


def lasted(seconds: float) -> str:
    """Return a duration in words, in its largest unit."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{int(seconds)} s"
