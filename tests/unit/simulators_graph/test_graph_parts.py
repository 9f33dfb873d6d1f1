"""The parts of the Graph simulator that can be tested without a socket."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.graph.changelog import ChangeLog, Staged
from simulators.graph.entities import Assignment
from simulators.graph.instants import instant
from simulators.graph.knobs import Knobs
from simulators.graph.names import person, slug
from simulators.graph.notifying import Punctuality
from simulators.graph.odata import GraphError, filter_ids, parse_options, project
from simulators.graph.roster import Roster
from simulators.graph.seed import SeedPlan, constants, populate
from simulators.graph.statetokens import Round, StateTokens
from simulators.graph.throttle import Bucket, resource_units


def assignment(number: int) -> Assignment:
    return Assignment(id=str(number), role_id="r", principal_type="User", principal_id="p", created="c")


@given(moving=st.booleans(), steps=st.lists(st.tuples(st.booleans(), st.integers(0, 8))))
def test_roster_lists_exactly_what_was_added_and_not_taken_out(moving: bool, steps: list[tuple[bool, int]]) -> None:
    roster, expected = Roster(), set[str]()
    roster.moving = moving
    for add, number in steps:
        if add:
            roster.add(assignment(number))
            expected.add(str(number))
        else:
            roster.discard(str(number))
            expected.discard(str(number))
    listed = [row.id for row in roster.rows if row is not None]
    assert sorted(listed) == sorted(expected)
    assert all((str(number) in roster) == (str(number) in expected) for number in range(9))


@given(sizes=st.lists(st.integers(0, 3), max_size=12), after=st.integers(0, 14), upto=st.integers(0, 14))
def test_window_gives_the_entries_after_one_lsn_up_to_another(sizes: list[int], after: int, upto: int) -> None:
    log, everything = ChangeLog(), []
    for size in sizes:
        lsn = log.lsn + 1
        names = [(f"u{lsn}-{n}", frozenset({"displayName"})) for n in range(size)]
        assert log.commit(Staged(users=names)) == lsn
        everything += [(lsn, entry) for entry in names]
    assert log.users.window(after, upto) == [entry for lsn, entry in everything if after < lsn <= upto]


ROUND = st.builds(
    Round,
    kind=st.sampled_from(["users", "groups"]),
    select=st.none() | st.text(max_size=20),
    ids=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    after=st.none() | st.integers(0, 2**40),
    upto=st.integers(0, 2**40),
    total=st.integers(-1, 2**40),
    cursor=st.tuples(
        st.integers(0, 99), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3).map(tuple)
    ),
    issued=st.floats(0, 4e9),
    fresh=st.booleans(),
)


@given(state=ROUND, position=st.integers(0, 10_000), letter=st.sampled_from("AZaz09-_"))
def test_state_token_opens_to_what_was_sealed_and_never_when_altered(state: Round, position: int, letter: str) -> None:
    tokens = StateTokens()
    token = tokens.seal_round(state)
    assert tokens.open_round(token, kind=state.kind, delta=state.is_delta) == state
    assert tokens.seal_round(state) != token
    at = 9 + position % (len(token) - 10)  # neither the generation nor the last letter, whose low bits carry nothing
    altered = token[:at] + letter + token[at + 1 :]
    if altered != token:
        with pytest.raises(GraphError) as refused:
            tokens.open_round(altered, kind=state.kind, delta=state.is_delta)
        assert refused.value.code == "Request_BadRequest"


@given(st.text(max_size=60))
def test_any_text_as_a_token_is_refused_in_the_envelope(text: str) -> None:
    for delta in (True, False):
        with pytest.raises(GraphError):
            StateTokens().open(text, delta=delta)


@given(st.lists(st.uuids().map(str), min_size=1, max_size=60, unique=True))
def test_id_filter_takes_1_to_50_ids(ids: list[str]) -> None:
    text = " or ".join(f"id eq '{one.upper()}'" for one in ids)
    if len(ids) > 50:
        with pytest.raises(GraphError):
            filter_ids(text)
    else:
        assert filter_ids(text) == tuple(ids)


def test_options_are_sorted_case_insensitively_and_unknown_ones_kept() -> None:
    options = parse_options([("$DeltaToken", "t"), ("trace", "1"), ("trace", "2")])
    assert options.get("$deltatoken") == "t"
    assert options.unknown == [("trace", "1"), ("trace", "2")]
    with pytest.raises(GraphError):
        parse_options([("$deltatokn", "t")])


def test_projection_is_interned_and_always_has_the_id() -> None:
    one, two = (project("user", "displayName", sparse=True) for _ in range(2))
    assert one is two
    assert one.render({"id": "1", "displayName": "Ö"}) == '{"id":"1","displayName":"Ö"}'.encode()
    assert project("group", "members", sparse=True, delta=True).members
    with pytest.raises(GraphError):
        project("group", "members", sparse=True)


@given(digits=st.text("0123456789", max_size=7))
def test_instant_has_seven_digits_so_that_text_order_is_time_order(digits: str) -> None:
    made = instant(f"2026-03-01T10:00:00.{digits}Z" if digits else "2026-03-01T10:00:00Z", 0)
    assert made == f"2026-03-01T10:00:00.{digits.ljust(7, '0')}Z"
    assert len(instant(None, 1_767_225_600.25)) == len(made)
    with pytest.raises(ValueError, match="2026"):
        instant("yesterday", 0)


@given(st.text(max_size=30))
def test_slug_is_ascii_and_never_empty(name: str) -> None:
    assert slug(name)
    assert slug(name).isascii()
    assert slug(name).isalnum()


def test_seed_is_repeatable_and_the_secret_is_no_secret() -> None:
    def ids(seed: int) -> list[str]:
        return [user.id for user in populate(SeedPlan(users=20, groups=3, seed=seed), Knobs()).user_order]

    assert ids(1) == ids(1) != ids(2)
    assert constants(5) == constants(5)
    assert constants(5).client_secret == "simulated-client-secret"
    source = populate(SeedPlan(users=1), Knobs()).random
    assert "employeeId" not in person("x", 9, source), "some properties were never set"


@pytest.mark.parametrize(
    ("call_class", "selects", "top", "units"),
    [
        ("users", False, None, 2),
        ("users", True, 10, 1),
        ("users/delta", True, None, 1),
        ("appRoleAssignedTo", False, 999, 1),
    ],
)
def test_resource_units(call_class: str, selects: bool, top: int | None, units: int) -> None:
    assert resource_units(call_class, selects=selects, top=top) == units


def test_members_cost_three_units() -> None:
    assert resource_units("groups/members", selects=False, top=None) == 3


def test_bucket_refuses_beyond_the_quota_until_the_window_ends() -> None:
    bucket = Bucket()
    assert bucket.spend(3500, 100.0, "S") == (None, 1.0)
    wait, _ = bucket.spend(1, 104.0, "S")
    assert wait == pytest.approx(6.0)
    assert bucket.spend(1, 110.0, "S")[0] is None


@pytest.mark.parametrize(
    "bad", [{"pageSize": True}, {"pageSize": 1.5}, {"latencyMs": "1"}, {"consentRevoked": 1}, {"nope": 1}]
)
def test_bad_knob_turns_nothing(bad: dict[str, Any]) -> None:
    knobs = Knobs()
    with pytest.raises(ValueError, match=next(iter(bad))):
        knobs.turn({"memberSlice": 7, **bad})
    assert knobs == Knobs()


def test_a_subscriber_is_judged_by_its_last_ten_minutes_and_not_by_a_few_answers() -> None:
    host = Punctuality()
    for number in range(9):
        host.add(100.0 + number, True)
    assert host.share(110.0) == 0.0
    host.add(109.0, False)
    assert host.share(110.0) == pytest.approx(0.9)
    assert host.share(800.0) == 0.0
