"""A change of members: what it does, and that it costs what it changes."""

from collections.abc import Iterator
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from simulators.linkedin.members import MemberChange

IDS = st.sampled_from("abcdef")
STEPS = st.lists(st.tuples(st.sampled_from(["add", "remove", "clear"]), st.lists(IDS, max_size=4)), max_size=8)


@given(st.lists(IDS, unique=True), STEPS)
@example(["c", "e"], [("clear", []), ("add", ["e", "c"])])
def test_a_change_does_what_a_set_would_and_moves_nothing_before_its_commit(before: list[str], steps: Any) -> None:
    members = dict.fromkeys(before)
    change = MemberChange(members)
    expected = set(before)
    for verb, ids in steps:
        if verb == "add":
            change.add(ids)
            expected |= set(ids)
        elif verb == "remove":
            change.remove(ids)
            expected -= set(ids)
        else:
            change.clear()
            expected.clear()
    assert list(members) == before
    differs = bool(change)
    change.commit()
    assert set(members) == expected
    assert differs or list(members) == before


class Unwalked(dict[str, None]):
    """Members that nobody may walk through."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("every member was walked through")

    keys = items = values = copy = __iter__  # type: ignore[assignment]  # refused in the same way


def test_a_change_of_a_large_group_never_walks_through_its_members() -> None:
    members = Unwalked((str(number), None) for number in range(20_000))
    change = MemberChange(members)
    change.add(["new", "5"])
    change.remove(["7", "nobody"])
    assert change
    change.commit()
    assert ("new" in members, "5" in members, "7" in members, len(members)) == (True, True, False, 20_000)
