"""Members of a group: both dialects, repeats, and one that the target does not take."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scim_writer.dialects import ENTRA, ENTRA_062020, RFC7644, Dialect
from services.scim_writer.member_plans import MOST_REFUSALS
from services.scim_writer.requests import Kind
from services.scim_writer.trail import Profile, Work
from shared.contracts.changes import MOST_MEMBERS, Operation
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import Result, StepStatus
from tests.support.builders_scim_writer_groups import NAME, TAKES_GROUPS, ModelGroup, a_member_command
from tests.support.plans_scim_writer import EMPTY, LOST, OK, follow, found, kinds, operations, status

ADD, REMOVE = Operation.ADD_MEMBERS, Operation.REMOVE_MEMBERS
DIALECTS = [RFC7644, ENTRA, ENTRA_062020]
PAIR = [{"value": "u1"}, {"value": "u2"}]
BY_PATH = [{"op": "remove", "path": 'members[value eq "u1"]'}, {"op": "remove", "path": 'members[value eq "u2"]'}]
WORDING: list[tuple[Dialect, Operation, Any]] = [
    (RFC7644, ADD, [{"op": "add", "path": "members", "value": PAIR}]),
    (RFC7644, REMOVE, BY_PATH),
    (ENTRA, ADD, [{"op": "Add", "path": "members", "value": PAIR}]),
    (ENTRA, REMOVE, [{"op": "Remove", "path": "members", "value": PAIR}]),
    (ENTRA_062020, ADD, [{"op": "add", "path": "members", "value": PAIR}]),
    (ENTRA_062020, REMOVE, BY_PATH),
]


@pytest.mark.parametrize(
    ("dialect", "operation", "expected"), WORDING, ids=[f"{row[0].name}-{row[1].value}" for row in WORDING]
)
def test_members_go_out_in_one_patch_as_the_dialect_words_it(
    dialect: Dialect, operation: Operation, expected: Any
) -> None:
    work = Work(command=a_member_command(operation, ["u1", "u2", "u1"]), target_id="7", written={"displayName": "x"})
    finish, sent = follow(work, OK, profile=Profile(groups=True, dialect=dialect))
    assert [(each.method, each.path) for each in sent] == [("PATCH", "/Groups/7")]
    assert operations(sent[0]) == expected
    assert (finish.result, finish.target_id, finish.written) == (Result.DONE, "7", {"displayName": "x"})
    assert "2 members were" in finish.reason


def test_an_id_with_quotes_selects_itself_and_nobody_else() -> None:
    work = Work(command=a_member_command(REMOVE, ['u" or value pr']), target_id="7")
    _, sent = follow(work, OK, profile=TAKES_GROUPS)
    assert operations(sent[0])[0]["path"] == 'members[value eq "u\\" or value pr"]'


def test_a_write_without_a_clear_answer_is_tried_again_and_leaves_nothing_in_doubt() -> None:
    work = Work(command=a_member_command(ADD, ["u1"]), target_id="7")
    for reply in (LOST, status(500), status(503)):
        finish, sent = follow(work, reply, profile=TAKES_GROUPS)
        assert (kinds(sent), finish.result, finish.ambiguous) == ([Kind.PATCH], Result.RETRY_LATER, False)


def test_a_404_is_about_the_group_only_when_the_group_is_not_there() -> None:
    work = Work(command=a_member_command(ADD, ["u1"]), target_id="7")
    finish, sent = follow(work, status(404), status(404), EMPTY, profile=TAKES_GROUPS)
    assert kinds(sent) == [Kind.PATCH, Kind.READ, Kind.LOOK]
    assert sent[1].path == "/Groups/7?excludedAttributes=members"
    assert finish.failure is not None
    assert (finish.failure.code, finish.target_id, finish.refused_members) == (Code.INVALID_ANCHOR, None, ())

    there = status(200, id="7", displayName=NAME)
    finish, sent = follow(work, status(404), there, profile=TAKES_GROUPS)
    assert kinds(sent) == [Kind.PATCH, Kind.READ]
    assert (finish.result, finish.target_id, finish.refused_members) == (Result.FAILED, "7", ("u1",))

    finish, _ = follow(work, status(404), status(503), profile=TAKES_GROUPS)
    assert finish.result is Result.RETRY_LATER
    same = found({"id": "7", "displayName": NAME})
    finish, _ = follow(work, status(404), status(404), same, profile=TAKES_GROUPS)
    assert finish.result is Result.RETRY_LATER, "a target that contradicts itself is not believed"


@pytest.mark.parametrize("refusal", [403, 405, 501])
def test_a_refusal_that_is_not_about_members_is_not_halved(refusal: int) -> None:
    work = Work(command=a_member_command(ADD, ["u1", "u2"]), target_id="7")
    finish, sent = follow(work, status(refusal), profile=TAKES_GROUPS)
    assert (kinds(sent), finish.result, finish.refused_members) == ([Kind.PATCH], Result.FAILED, ())


@pytest.mark.parametrize("refusal", [400, 404, 422])
def test_one_bad_member_never_holds_up_the_other_199(refusal: int) -> None:
    members = [f"u{number}" for number in range(MOST_MEMBERS)]
    target = ModelGroup(set(members) - {"u77"}, refusal=refusal)
    finish = target.carry_out(a_member_command(ADD, members))
    assert set(target.members) == set(members) - {"u77"}
    assert (finish.result, finish.refused_members) == (Result.DONE, ("u77",))
    assert finish.steps[-1].status is StepStatus.WARNING
    assert not any("u77" in step.description for step in finish.steps)
    assert target.requests <= 18


def test_a_target_that_takes_nobody_is_asked_a_bounded_number_of_times() -> None:
    members = [f"u{number}" for number in range(MOST_MEMBERS)]
    target = ModelGroup([])
    finish = target.carry_out(a_member_command(ADD, members))
    assert (finish.result, target.requests) == (Result.FAILED, MOST_REFUSALS)
    assert sorted(finish.refused_members) == sorted(members)


def test_removing_who_is_not_there_is_done_also_where_the_target_answers_no_target() -> None:
    target = ModelGroup(["u1", "u2", "u3"], strict=True)
    target.members.update({"u1": None, "u3": None})
    finish = target.carry_out(a_member_command(REMOVE, ["u1", "u2", "u3"]))
    assert (finish.result, finish.refused_members, target.members) == (Result.DONE, (), {})
    finish = target.carry_out(a_member_command(REMOVE, [f"u{number}" for number in range(MOST_MEMBERS)]))
    assert (finish.result, finish.refused_members) == (Result.DONE, ()), "a repeat of the largest change"


def test_a_refusal_that_none_of_the_halves_meets_again_refuses_nobody() -> None:
    work = Work(command=a_member_command(ADD, ["u1", "u2"]), target_id="7")
    finish, sent = follow(work, status(413), OK, OK, profile=TAKES_GROUPS)
    assert [len(operations(each)[0]["value"]) for each in sent] == [2, 1, 1]
    assert (finish.result, finish.reason) == (Result.DONE, "2 members were added to the group.")


def test_no_members_need_no_request() -> None:
    finish, sent = follow(Work(command=a_member_command(ADD, []), target_id="7"), profile=TAKES_GROUPS)
    assert (sent, finish.result) == ([], Result.DONE)


PEOPLE = [f"u{number}" for number in range(24)]
SOME = st.lists(st.sampled_from(PEOPLE), max_size=24)
CHANGES = st.lists(
    st.tuples(st.sampled_from([ADD, REMOVE]), SOME, st.frozensets(st.integers(0, 12), max_size=3)), max_size=6
)


@settings(max_examples=200, deadline=None)
@given(
    CHANGES,
    st.sets(st.sampled_from(PEOPLE)),
    st.sets(st.sampled_from(PEOPLE)),
    st.sampled_from(DIALECTS),
    st.booleans(),
    st.sampled_from([400, 404]),
)
def test_members_end_as_wanted_whatever_is_lost_repeated_or_refused(
    changes: list[Any], unknown: set[str], before: set[str], dialect: Dialect, strict: bool, refusal: int
) -> None:
    """I7: every change is repeated until it has a clear end, as diff does; then the target has who is wanted, as far as it knows them."""
    known = set(PEOPLE) - unknown
    target = ModelGroup(known, strict=strict, refusal=refusal)
    target.members.update(dict.fromkeys(sorted(before & known)))
    wanted = before & known
    for generation, (operation, members, lost) in enumerate(changes, start=2):
        wanted = wanted | set(members) if operation is ADD else wanted - set(members)
        command = a_member_command(operation, members, generation)
        finish = target.carry_out(command, lost=lost, dialect=dialect)
        if finish.result is Result.RETRY_LATER:
            finish = target.carry_out(command, dialect=dialect)
        again = target.carry_out(command, dialect=dialect)
        assert (again.result, set(again.refused_members)) == (finish.result, set(finish.refused_members)), (
            "a repeat is harmless"
        )
        refused = set(members) - known if operation is ADD else set()
        assert set(finish.refused_members) == refused
        assert finish.result is (Result.FAILED if refused and refused == set(members) else Result.DONE)
        wanted &= known
        assert set(target.members) == wanted
