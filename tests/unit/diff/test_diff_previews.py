"""Plans: of settled people the rules in force plan nothing, and whatever a plan shows is what deciding about everybody does."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.diff.core import Occasion, assignment_arrived, rules_changed
from services.diff.decision_table import look_at
from services.diff.groups.core import look_again
from services.diff.groups.group import Group, TargetGroup
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from services.diff.previews.claims import Claims
from services.diff.previews.plan import Plan
from services.diff.previews.planning import LONGEST_SHOWN, PLAN, Planned, plan_group, plan_person
from services.diff.previews.telling import MOST_BYTES, chunks
from services.diff.removals.staging import removal_let_out
from services.diff.rules import Rules
from shared.contracts.assignments import Lifecycle
from shared.contracts.changes import REDACTED, ModifiedAttribute, Operation
from shared.contracts.job import DeletionThreshold
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import Result
from shared.contracts.preview import COUNTED_ONLY, MOST_ROWS, MOST_ROWS_AT_ONCE, PlannedAction, PlanRow
from shared.contracts.public import UserStatus
from shared.contracts.synchronization_schema import FlowType, ObjectFlow
from tests.support.builders_diff import (
    DEFAULT_ACCESS,
    USER_ROLE,
    assignment,
    change,
    changes,
    mapping_of,
    occasion,
    outcome,
    rules,
    scoping_filter,
)
from tests.support.builders_groups import GROUP, group_assignment, group_changes, group_occasion, group_rules
from tests.support.builders_mapping import mapped_attribute

ALL_ACTIONS = frozenset(ObjectFlow)
CANDIDATES: dict[str, Rules] = {
    "in force": rules(),
    "filter": rules(mapping_of(filter=scoping_filter(("city", "EQUALS", "Oslo")))),
    "ignored": rules(mapping_of(filter=scoping_filter(("city", "EQUALS", "Oslo"), part="input_filter_groups"))),
    "title": rules(mapping_of(mapped_attribute("title", expression='Append([city], "!")'))),
    "cleared": rules(mapping_of(mapped_attribute("title", source="department", flow_null_values=True))),
    "fails": rules(mapping_of(mapped_attribute("title", expression='FormatDateTime([city], , "yyyy-MM-dd", "dd")'))),
    "required fails": rules(
        mapping_of(mapped_attribute("title", expression='FormatDateTime([city], , "yyyy", "dd")', required=True))
    ),
    "only on create": rules(mapping_of(mapped_attribute("title", source="city", flow_type=FlowType.OBJECT_ADD_ONLY))),
    "no create": rules(mapping_of(flows=ALL_ACTIONS - {ObjectFlow.ADD})),
    "no update": rules(mapping_of(flows=ALL_ACTIONS - {ObjectFlow.UPDATE})),
    "no delete": rules(mapping_of(flows=ALL_ACTIONS - {ObjectFlow.DELETE})),
    "other role": rules(required_roles=("Reader",)),
    "nobody leaves": rules(skip_out_of_scope_deletions=True),
    "deletes": rules(can_delete=True),
}
MOSTLY = st.sampled_from([True, True, True, True, False])
STATES = st.fixed_dictionaries(
    {
        "assigned": MOSTLY,
        "city": st.sampled_from(["Oslo", "Rome", ""]),
        "jobTitle": st.sampled_from(["Buyer", "Seller"]),
        "accountEnabled": MOSTLY,
        "lifecycle": st.sampled_from([*([Lifecycle.LIVE] * 6), *Lifecycle]),
        "roles": st.sampled_from([(USER_ROLE,), (USER_ROLE,), (USER_ROLE,), (DEFAULT_ACCESS,), ()]),
    }
)
ANSWERS = st.sampled_from([Result.DONE, Result.DONE, Result.FAILED, Result.RETRY_LATER, None])
HISTORIES = st.lists(st.tuples(STATES, ANSWERS, st.booleans()), min_size=1, max_size=4)


def person_after(history: list[tuple[dict[str, Any], Result | None, bool]], by: Rules | None = None) -> Person:
    """Somebody of whom the directory said these states, each with the answer of the writer to what followed."""
    person: Person | None = None
    for number, (state, answer, guarded) in enumerate(history, 1):
        cycle = f"cycle-{number}" if guarded else None
        decision = assignment_arrived(person, assignment(number, **state), replace(occasion(by), cycle=cycle))
        person = decision.person
        for sent in changes(decision) if answer is not None else ():
            assert answer is not None
            person = outcome_arrived(person, outcome(sent, answer), occasion(by)).person
    assert person is not None
    return person


def plan(person: Person, by: Rules, **more: Any) -> Planned:
    return plan_person(look_at(person, by), replace(occasion(by), **more))


def at_rest(person: Person) -> bool:
    """Whether nothing is under way, waits, failed, or is in doubt."""
    waits = person.in_flight or person.staged_in is not None or person.next_attempt_at is not None
    return not (waits or person.doubtful or person.status in {UserStatus.FAILED, UserStatus.PENDING})


@given(HISTORIES, st.sampled_from(sorted(CANDIDATES)))
def test_of_settled_people_the_rules_in_force_plan_nothing(history: list[Any], name: str) -> None:
    by = CANDIDATES[name]
    person = person_after(history, by)
    if at_rest(person):
        assert plan(person, by).row.action in COUNTED_ONLY


@given(HISTORIES, st.sampled_from(sorted(CANDIDATES)), st.booleans())
def test_what_a_plan_shows_is_what_deciding_anew_does(history: list[Any], name: str, taken: bool) -> None:
    person, by = person_after(history), CANDIDATES[name]
    row = plan(person, by, taken=taken).row
    moment: Occasion = replace(occasion(by), taken=taken, cycle=PLAN)
    decision = rules_changed(person, moment)
    assert row.counted is (decision.person.staged_in == PLAN)
    if row.counted:
        decision = removal_let_out(decision.person, replace(moment, cycle=None))
    sent = changes(decision)
    assert (OPERATIONS.get(row.action) is not None) is bool(sent), (row, decision)
    if sent:
        assert sent[0].operation is OPERATIONS[row.action]
        written = sent[0].modified or tuple(
            ModifiedAttribute(path=path, new=value) for path, value in sent[0].resource.items()
        )
        if sent[0].operation is not Operation.DELETE:
            assert row.attributes == written


OPERATIONS = {
    PlannedAction.CREATE: Operation.CREATE,
    PlannedAction.UPDATE: Operation.UPDATE,
    PlannedAction.ENABLE: Operation.UPDATE,
    PlannedAction.MATCH: Operation.UPDATE,
    PlannedAction.DISABLE: Operation.DISABLE,
    PlannedAction.DELETE: Operation.DELETE,
}


def provisioned(**attributes: Any) -> Person:
    first = assignment_arrived(None, assignment(city="Oslo", **attributes), occasion())
    return outcome_arrived(first.person, outcome(change(first)), occasion()).person


def left() -> Person:
    gone = assignment_arrived(provisioned(), assignment(2, assigned=False), occasion())
    return outcome_arrived(gone.person, outcome(change(gone)), occasion()).person


@pytest.mark.parametrize(
    ("person", "by", "action"),
    [
        (provisioned(), "in force", PlannedAction.UNCHANGED),
        (provisioned(), "title", PlannedAction.UPDATE),
        (provisioned(), "fails", PlannedAction.FAIL),
        (provisioned(), "other role", PlannedAction.DISABLE),
        (provisioned(), "nobody leaves", PlannedAction.UNCHANGED),
        (left(), "in force", PlannedAction.OUT_OF_SCOPE),
        (replace(left(), assignment=assignment(3)), "in force", PlannedAction.ENABLE),
        (assignment_arrived(None, assignment(assigned=False), occasion()).person, "title", PlannedAction.OUT_OF_SCOPE),
        (Person(job_id="job-1", object_id="object-1", assignment=assignment()), "in force", PlannedAction.CREATE),
        (Person(job_id="job-1", object_id="object-1", assignment=assignment()), "no create", PlannedAction.MATCH),
        (
            Person(job_id="job-1", object_id="object-1", assignment=assignment(city="Oslo")),
            "required fails",
            PlannedAction.FAIL,
        ),
        (Person(job_id="job-1", object_id="object-1", assignment=assignment()), "filter", PlannedAction.SKIP),
    ],
    ids=[
        "as-wanted",
        "another-value",
        "attribute-cannot-be-made",
        "out-of-scope",
        "left-alone",
        "disabled-before",
        "returns",
        "never-in-scope",
        "new",
        "new-without-create",
        "required-cannot-be-made",
        "newly-out-of-scope",
    ],
)
def test_the_action_of_a_row(person: Person, by: str, action: PlannedAction) -> None:
    assert plan(person, CANDIDATES[by]).row.action is action


def test_a_value_that_another_user_has_fails_by_name_of_the_attribute() -> None:
    new = Person(job_id="job-1", object_id="object-1", assignment=assignment())
    row = plan(new, rules(), taken=True).row
    assert (row.action, row.code) == (PlannedAction.FAIL, "DuplicateSourceEntries")


def test_a_removal_that_waits_already_is_not_planned_again() -> None:
    staged = assignment_arrived(
        provisioned(), assignment(2, assigned=False), replace(occasion(), cycle="cycle-2")
    ).person
    planned = plan(staged, rules())
    assert (planned.row.action, planned.waits, planned.row.counted) == (PlannedAction.UNCHANGED, True, False)


def test_values_of_redacted_paths_are_shown_to_nobody() -> None:
    by = rules(mapping_of(mapped_attribute("title", expression='Redact(Append([city], " secret"))', redact=True)))
    row = plan(provisioned(), by).row
    assert [(item.path, item.new) for item in row.attributes] == [("title", REDACTED)]
    assert "secret" not in row.model_dump_json()


class TestGroups:
    def linked(self, **more: Any) -> Group:
        held = {"displayName": "Sales", "externalId": GROUP}
        link = TargetGroup(target_id="at-1", resource=held)
        values: dict[str, Any] = {"link": link, "link_number": 1, "entered": True, "status": UserStatus.PROVISIONED}
        return Group(job_id="job-1", object_id=GROUP, assignment=group_assignment(), **(values | more))

    @pytest.mark.parametrize("assigned", [True, False], ids=["assigned", "left"])
    @pytest.mark.parametrize("name", ["Sales", "Other", None])
    @pytest.mark.parametrize("link", [True, False], ids=["linked", "new"])
    @pytest.mark.parametrize("mapped", [True, False], ids=["mapped", "not-mapped"])
    def test_what_a_plan_shows_is_what_looking_again_does(
        self,
        assigned: bool,
        name: str | None,
        link: bool,
        mapped: bool,
    ) -> None:
        group = replace(self.linked(), assignment=group_assignment(2, assigned=assigned, name=name))
        if not link:
            group = replace(group, link=None, link_number=0, status=UserStatus.PENDING)
        moment = group_occasion(group_rules(mapped=mapped))
        row = plan_group(group, moment).row
        decision = look_again(group, replace(moment, cycle=PLAN))
        assert row.counted is (decision.group.staged_in == PLAN)
        sent = group_changes(decision)
        writes = OPERATIONS.get(row.action) if not row.counted else None
        assert [item.operation for item in sent] == ([writes] if writes else [])
        if sent and sent[0].modified:
            assert row.attributes == sent[0].modified

    def test_a_group_whose_change_is_under_way_is_counted_as_such(self) -> None:
        planned = plan_group(self.linked(in_flight=True), group_occasion())
        assert (planned.row.action, planned.in_flight) == (PlannedAction.UNCHANGED, True)


OWN = st.sampled_from("abcde")
VALUE = st.sampled_from("1234")
WANTED = st.dictionaries(OWN, st.frozensets(VALUE, max_size=2), max_size=3)


@given(st.dictionaries(VALUE, OWN), st.lists(st.tuples(WANTED, st.frozensets(OWN)), max_size=5))
def test_claims_give_values_out_as_the_table_does(table: dict[str, str], batches: list[Any]) -> None:
    stored, claims = dict(table), Claims()
    for wanted, forgotten in batches:
        held = {own: {value for value, has in stored.items() if has == own} for own in wanted}
        got = claims.settle(
            {own: sorted(values) for own, values in wanted.items()},
            {value: own for value, own in stored.items() if any(value in values for values in wanted.values())},
            held,
        )
        assert got == by_table(table, wanted)
        gone = forgotten & set(wanted)
        claims.forget(gone, held)
        for value in [value for value, own in table.items() if own in gone]:
            del table[value]


def by_table(table: dict[str, str], wanted: dict[str, frozenset[str]]) -> frozenset[str]:
    """What the statements of ``matching_values.note`` do to the table, and what they return."""
    rows = [(value, own) for own, values in wanted.items() for value in sorted(values)]
    for value, own in rows:
        table.setdefault(value, own)
    taken = frozenset(own for value, own in rows if table[value] != own)
    kept = {value for value, _ in rows}
    for value in [value for value, own in table.items() if own in wanted and value not in kept]:
        del table[value]
    return taken


def planned(number: int, action: PlannedAction = PlannedAction.UPDATE, value: Any = "x", **more: Any) -> Planned:
    attributes = (ModifiedAttribute(path="title", old=None, new=value),)
    row = PlanRow(
        object_type=ObjectType.USER,
        object_id=f"{number:06}",
        action=action,
        reason="because",
        attributes=attributes,
        **more,
    )
    return Planned(row=row)


def test_counts_are_of_all_and_rows_are_bounded_for_each_action() -> None:
    made = Plan()
    for number in range(MOST_ROWS + 5):
        made.add(planned(number))
    made.add(planned(1, PlannedAction.DISABLE, counted=True))
    for action in COUNTED_ONLY:
        made.add(planned(2, action))
    totals = made.totals(10, DeletionThreshold(count=0, percent=0), {})
    assert totals.users == {
        PlannedAction.UPDATE: MOST_ROWS + 5,
        PlannedAction.DISABLE: 1,
        PlannedAction.UNCHANGED: 1,
        PlannedAction.OUT_OF_SCOPE: 1,
    }
    assert sum(totals.users.values()) == made.looked_at
    assert len(made.rows) == MOST_ROWS + 1
    assert totals.attributes == {"title": MOST_ROWS + 6}
    assert (totals.removals, totals.held, totals.empty) == (1, 1, False)


def test_a_digest_tells_plans_apart_also_by_what_is_not_shown() -> None:
    def digest(*items: Planned) -> str:
        made = Plan()
        for item in items:
            made.add(item)
        return made.digest()

    long = "x" * LONGEST_SHOWN
    assert digest(planned(1)) == digest(planned(1), planned(2, PlannedAction.UNCHANGED))
    assert digest(planned(1, value=f"{long}a")) != digest(planned(1, value=f"{long}b"))
    assert digest(planned(1)) != digest(planned(1, counted=True))
    assert digest(planned(1), planned(2)) != digest(planned(2), planned(1))


@given(st.lists(st.integers(0, LONGEST_SHOWN * 3), max_size=30))
def test_values_are_shown_in_part_and_messages_stay_small(sizes: list[int]) -> None:
    made = Plan()
    for number, size in enumerate(sizes * 8):
        made.add(planned(number, value=["ø" * size]))
    for row in made.rows:
        assert len(str(row.attributes[0].new)) <= LONGEST_SHOWN + 10
    pieces = list(chunks(made.rows))
    assert [row for piece in pieces for row in piece] == made.rows
    for piece in pieces:
        assert 0 < len(piece) <= MOST_ROWS_AT_ONCE
        assert (
            len(piece) == 1 or sum(len(row.model_dump_json(by_alias=True).encode()) for row in piece) <= 2 * MOST_BYTES
        )
