"""Whatever goes wrong, a source gives what is true or says that it cannot: it never gives less and calls that an answer."""

import pytest

from services.assignment_watcher.sources.source import SourceError
from tests.conformance.sources.conftest import GRAPH, SNAPSHOTS
from tests.conformance.sources.world import READS, World, people

SNAPSHOT_BREAKAGES = (
    *("missing", "nothing in it", "not UTF-8", "cut off in the middle", "the same user twice"),
    *("a directory in its place", "a link that leads out", "too large"),
)
GRAPH_BREAKAGES = (
    *("server error", "unavailable", "not JSON", "body cut off", "connection reset", "throttled without end"),
    *("wrong secret", "no such application", "consent withdrawn", "pages without end", "a link to another host"),
)
CASES = [
    *((GRAPH, breakage) for breakage in GRAPH_BREAKAGES),
    *((kind, breakage) for kind in SNAPSHOTS for breakage in SNAPSHOT_BREAKAGES),
]


@pytest.mark.parametrize(("world", "breakage"), CASES, indirect=["world"])
async def test_a_failure_is_never_an_empty_or_a_shorter_answer(world: World, breakage: str) -> None:
    assert world.breakages.keys() in (set(GRAPH_BREAKAGES), set(SNAPSHOT_BREAKAGES)), "one is not tried"
    await world.come(*people(1_100))
    before = {name: await read(world.source()) for name, read in READS.items()}
    await world.breakages[breakage]()
    source, errors = world.source(), list[SourceError]()
    for name, read in READS.items():
        try:
            assert await read(source) == before[name], f"{name} gave another answer instead of an error"
        except SourceError as error:
            errors.append(error)
    by_id = sorted(row.assignment_id for row in before["assignments"])[:5]
    try:
        assert await source.find_assignments(by_id) == set(by_id)
    except SourceError as error:
        errors.append(error)
    assert errors, "nobody noticed"
    for raised in errors:
        check_error(raised, world)
    await world.mend()
    source = world.source()
    assert {name: await read(source) for name, read in READS.items()} == before


def check_error(error: SourceError, world: World) -> None:
    """A class of its own, a condition, a code with advice, and nothing that is anybody's."""
    assert type(error) is not SourceError
    assert error.condition
    assert error.failure.code == error.code
    assert error.failure.message == str(error)
    assert error.failure.advice
    said = f"{error.failure.message} {error.failure.advice} {error!r}".casefold()
    shown = [value for value in world.private if value.casefold() in said]
    assert shown == []
    assert "@" not in said
    assert len(error.failure.message) < 400
