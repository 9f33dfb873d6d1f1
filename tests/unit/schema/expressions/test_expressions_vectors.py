"""What a real .NET answered (vectors/README.md), answered here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.schema.expressions import casing
from shared.schema.expressions.date_formats import format_date, parse_exact
from shared.schema.expressions.date_parsing import parse_date
from shared.schema.expressions.date_styles import styles_of
from shared.schema.expressions.dotnet_regex import PatternError, compile_pattern
from shared.schema.expressions.errors import UnusableValue
from shared.schema.expressions.functions.dates import date_add, date_diff
from shared.schema.expressions.functions.texts import in_str, mid
from shared.schema.expressions.moments import FILETIME_BEGINS, DateError, Kind, Moment

VECTORS = Path(__file__).parent / "vectors"
KINDS = (Kind.UNSPECIFIED, Kind.UTC, Kind.LOCAL)
# .NET Core 3.1 needs longer than its limit for this one, or never ends.
NOT_THE_SAME = {"(?<!(?:(?<!(?=^+?a*)+)|)?){1,}?"}


def cases(name: str) -> list[Any]:
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


def today() -> Moment:
    """Return the day on which the vectors were made: .NET fills in from it what a text leaves out."""
    return Moment(ticks=int(cases("dates")[0][2]))


def shown(moment: Moment) -> str:
    return f"{moment.ticks} {moment.kind}"


def group(pattern: str, text: str, name: str) -> str:
    compiled = compile_pattern(pattern)
    held = compiled.group(text, name) if compiled.has_group(name) else None
    return "no group" if held is None else f"={held}"


OPERATIONS: dict[str, Callable[..., str]] = {
    "parse": lambda text: shown(parse_date(text, today())),
    "parseExact": lambda text, form: shown(parse_exact(text, form, today())),
    "parseStyled": lambda text, form, styles: shown(parse_exact(text, form, today(), styles_of(styles))),
    "format": lambda ticks, kind, form: format_date(Moment(ticks=int(ticks), kind=KINDS[int(kind)]), form),
    "dateAdd": lambda interval, number, ticks: str(date_add(Moment(ticks=int(ticks)), interval, int(number)).ticks),
    "dateDiff": lambda interval, one, two: str(date_diff(interval, Moment(ticks=int(one)), Moment(ticks=int(two)))),
    "fromFileTime": lambda value: str(Moment(ticks=FILETIME_BEGINS).plus(int(value)).ticks),
    "lower": casing.lower,
    "upper": casing.upper,
    "title": casing.title,
    "mid": lambda text, start, length: mid(text, int(start), int(length)),
    "inStr": lambda text, sought, start: str(in_str(text, sought, int(start), None)),
    "match": lambda pattern, text: str(int(compile_pattern(pattern).search(text))),
    "replace": lambda pattern, text, new: compile_pattern(pattern).replace(text, new),
    "group": group,
}


def answer(operation: str, arguments: list[str]) -> str | None:
    try:
        return OPERATIONS[operation](*arguments)
    except (DateError, PatternError, UnusableValue):
        return None


@pytest.mark.parametrize("name", ["dates", "texts", "regex"])
def test_every_vector_of_dotnet_has_the_same_answer_here(name: str) -> None:
    different = [
        (operation, arguments, result, got)
        for operation, arguments, result in cases(name)
        if operation != "today"
        and arguments[0] not in NOT_THE_SAME
        and not (operation == "fromFileTime" and arguments[0].startswith("-"))
        and (got := answer(operation, arguments)) != result
    ]
    assert different == []
