"""Previews on a real PostgreSQL: what they show is what a pass over everybody does, nothing of anybody is written, and crashes repeat."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.diff.previews import making
from services.diff.rules_pass import decide_batch
from shared.contracts.changes import REDACTED, Change, Operation
from shared.contracts.job import DeletionThreshold
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import Result
from shared.contracts.preview import PlannedAction, PreviewFact, PreviewState
from shared.contracts.source import HoldFact, HoldState
from tests.support.builders_diff import JOB, assignment, job_record, marks
from tests.support.builders_groups import group_assignment
from tests.support.diff_frames import Diff, opened_diff, people
from tests.support.diff_previews import (
    HANDLERS,
    asked,
    facts,
    filtered,
    make,
    mapped,
    preview,
    rows,
    template_document,
    wish,
)

STATE = "SELECT * FROM person ORDER BY object_id"
NO_THRESHOLD = DeletionThreshold(count=0, percent=100)


@pytest.fixture
async def diff(database_url: str) -> AsyncIterator[Diff]:
    async with opened_diff(database_url) as opened:
        yield opened


async def provision(diff: Diff, names: list[str], **attributes: Any) -> None:
    """Bring users to an account each."""
    await diff.give(
        *(assignment(object_id=name, userPrincipalName=f"{name}@example.org", **attributes) for name in names)
    )
    for name in names:
        await diff.answer(name, target_id=f"at-{name}")


async def save(diff: Diff, document: dict[str, Any] | None, **settings: Any) -> None:
    """Put a schema in force and let the pass over everybody come to its end."""
    record = job_record(version=2, **settings).model_copy(
        update={"synchronization_schema": document, "schema_version": 1}
    )
    await diff.define(record)
    await diff.give(*marks("Initial.2", number=2, schema_version=1))
    more = True
    while more:
        async with diff.frame.transaction() as tx:
            _, more = await decide_batch(tx, HANDLERS, JOB)
    await diff.release()


async def test_a_filter_shows_who_would_be_disabled_and_that_they_would_be_held(diff: Diff) -> None:
    await provision(diff, people(4), city="Oslo")
    await provision(diff, ["far-away"], city="Rome")
    await diff.give(assignment(object_id="not-assigned", assigned=False, city="Oslo"))
    async with diff.frame.connection() as connection:
        before = await connection.fetch("SELECT xmin::text, person.* FROM person ORDER BY object_id")
    changes = len(await diff.said(Change))
    threshold = DeletionThreshold(count=3, percent=0)
    fact = await preview(diff, wish(filtered("city", "EQUALS", "Rome"), deletion_threshold=threshold))
    assert fact.state is PreviewState.DONE
    assert fact.totals is not None
    assert fact.totals.users == {
        PlannedAction.DISABLE: 4,
        PlannedAction.UNCHANGED: 1,
        PlannedAction.OUT_OF_SCOPE: 1,
    }
    assert (fact.looked_at, fact.expected, fact.rows) == (6, 6, 4)
    assert (fact.totals.removals, fact.totals.managed, fact.totals.held) == (4, 5, 4)
    assert "4 of 5 managed objects" in (fact.totals.held_because or "")
    found = await rows(diff)
    assert set(found) == set(people(4))
    row = found["person-00"]
    assert (row.action, row.counted, row.name) == (PlannedAction.DISABLE, True, "person-00@example.org")
    assert "Scoping filter evaluation passed is false" in row.reasons[0]
    assert [(item.path, item.old, item.new) for item in row.attributes] == [("active", True, False)]
    async with diff.frame.connection() as connection:
        assert await connection.fetch("SELECT xmin::text, person.* FROM person ORDER BY object_id") == before
    assert len(await diff.said(Change)) == changes, "nothing goes out"
    assert not await diff.said(HoldFact)


async def test_at_the_threshold_removals_are_not_held(diff: Diff) -> None:
    await provision(diff, people(4))
    threshold = DeletionThreshold(count=4, percent=0)
    fact = await preview(diff, wish(filtered("city", "EQUALS", "Rome"), deletion_threshold=threshold))
    assert fact.totals is not None
    assert (fact.totals.removals, fact.totals.held) == (4, 0)


async def test_the_rules_in_force_change_nothing(diff: Diff) -> None:
    await provision(diff, people(4))
    await diff.give(assignment(object_id="not-assigned", assigned=False))
    fact = await preview(diff, wish(template_document()))
    assert fact.totals is not None
    assert fact.totals.empty
    assert not await rows(diff)
    again = await preview(diff, wish(None), "preview-2", 2)
    assert again.digest == fact.digest


@pytest.mark.parametrize(
    "document",
    [
        filtered("city", "EQUALS", "Oslo"),
        filtered("city", "NOT EQUALS", "Oslo"),
        mapped("title", 'Join("-", [city], [jobTitle])'),
        mapped("displayName", 'FormatDateTime([city], , "yyyy-MM-dd", "dd")'),
        mapped("externalId", "[mail]"),
        template_document(users=lambda mapping: mapping.update(flowTypes="Update")),
        template_document(users=lambda mapping: mapping.update(flowTypes="Add, Delete")),
        None,
    ],
    ids=["filter", "filter-not", "expression", "error", "matching", "no-create", "no-update", "template-default"],
)
async def test_what_a_plan_shows_is_what_the_pass_over_everybody_does(
    diff: Diff, document: dict[str, Any] | None
) -> None:
    await provision(diff, people(5), city="Oslo")
    await provision(diff, ["z-rome", "z-turin"], city="Rome")
    await provision(diff, ["left"], city="Oslo")
    await diff.leave(["left"])
    await diff.release()
    await diff.answer("left", target_id="at-left")
    new = [assignment(object_id=name, city=city) for name, city in (("new-a", "Oslo"), ("new-b", "Rome"))]
    await diff.give(*new, assignment(object_id="never", assigned=False), assignment(object_id="other", roles=()))
    await diff.answer("new-a", Result.FAILED)
    await diff.answer("new-b", target_id="at-new-b")
    await diff.give(assignment(2, object_id="person-00", city="Bergen"))  # its change is under way
    fact = await preview(diff, wish(document, deletion_threshold=NO_THRESHOLD))
    assert fact.totals is not None
    planned = {
        name: (operation_of(row.action), {item.path: item.new for item in row.attributes})
        for name, row in (await rows(diff)).items()
        if operation_of(row.action) is not None
    }
    before = len(await diff.said(Change))
    await save(diff, document, deletion_threshold=NO_THRESHOLD)
    sent = {
        change.object_id: (change.operation, {item.path: item.new for item in change.modified} or change.resource)
        for change in (await diff.said(Change))[before:]
    }
    assert sent == planned
    after = await preview(diff, wish(document, version=2, deletion_threshold=NO_THRESHOLD), "preview-2", 2)
    assert after.totals is not None
    removed = [row.object_id for row in (await rows(diff, "preview-2")).values() if row.action is PlannedAction.DISABLE]
    assert not removed, "what was sent is not planned again"


def operation_of(action: PlannedAction) -> Operation | None:
    return {
        PlannedAction.CREATE: Operation.CREATE,
        PlannedAction.UPDATE: Operation.UPDATE,
        PlannedAction.ENABLE: Operation.UPDATE,
        PlannedAction.MATCH: Operation.UPDATE,
        PlannedAction.DISABLE: Operation.DISABLE,
        PlannedAction.DELETE: Operation.DELETE,
    }.get(action)


async def test_two_users_who_would_share_an_account_are_told_apart_as_the_pass_does(diff: Diff) -> None:
    names = people(5)
    await diff.give(*(assignment(object_id=name, mail="shared@example.org") for name in names))
    for name in names:
        await diff.answer(name, Result.FAILED)
    document = mapped("externalId", "[mail]")
    fact = await preview(diff, wish(document))
    assert fact.totals is not None
    assert fact.totals.users == {PlannedAction.CREATE: 1, PlannedAction.FAIL: 4}
    failed = {name for name, row in (await rows(diff)).items() if row.action is PlannedAction.FAIL}
    await save(diff, document)
    async with diff.frame.connection() as connection:
        found = await connection.fetch("SELECT object_id FROM person WHERE reason_code = 'DuplicateSourceEntries'")
    assert {row["object_id"] for row in found} == failed


async def test_held_removals_are_held_by_the_pass_as_the_plan_said(diff: Diff) -> None:
    await provision(diff, people(5))
    threshold = DeletionThreshold(count=2, percent=10)
    document = filtered("city", "EQUALS", "Rome")
    fact = await preview(diff, wish(document, deletion_threshold=threshold))
    assert fact.totals is not None
    await save(diff, document, deletion_threshold=threshold)
    held = (await diff.said(HoldFact))[-1]
    assert (held.state, held.removals, held.active) == (HoldState.HELD, fact.totals.held, fact.totals.managed)
    again = await preview(diff, wish(document, version=2, deletion_threshold=threshold), "preview-2", 2)
    assert again.totals is not None
    assert (again.totals.waiting, again.totals.removals, again.totals.empty) == (5, 0, True)


async def test_groups_have_rows_of_their_own(diff: Diff) -> None:
    await diff.give(group_assignment(), group_assignment(object_id="group-2", name="Buyers", assigned=False))
    created = [change for change in await diff.said(Change) if change.object_type is ObjectType.GROUP]
    await diff.answer(created[0].object_id, object_type=ObjectType.GROUP, target_id="at-group-1")

    def renamed(mapping: dict[str, Any]) -> None:
        for row in mapping["attributeMappings"]:
            if row["targetAttributeName"] == "displayName":
                row["source"] = {"expression": 'Append("Team ", [displayName])', "type": "Function"}

    fact = await preview(diff, wish(template_document(groups=renamed)))
    assert fact.totals is not None
    assert fact.totals.groups == {PlannedAction.UPDATE: 1, PlannedAction.OUT_OF_SCOPE: 1}
    (row,) = (await rows(diff)).values()
    assert (row.object_type, row.object_id, row.name) == (ObjectType.GROUP, "group-1", "Sales")
    assert [(item.path, item.old, item.new) for item in row.attributes] == [("displayName", "Sales", "Team Sales")]


async def test_redacted_values_and_unread_attributes_are_said_and_not_shown(diff: Diff) -> None:
    await provision(diff, people(1), jobTitle="Buyer")
    document = mapped("title", 'Redact(Join("-", "Staff", [jobTitle], [employeeId]))')
    fact = await preview(diff, wish(document))
    assert fact.totals is not None
    assert fact.totals.unread == {ObjectType.USER: ("employeeId",)}
    (row,) = (await rows(diff)).values()
    assert [(item.path, item.new) for item in row.attributes] == [("title", REDACTED)]


async def test_the_same_request_twice_is_one_preview(diff: Diff) -> None:
    request = asked(wish())
    await diff.give(request)
    await diff.give(request.model_copy(update={"reason": "repeated as another event"}))
    await make(diff)
    await make(diff)
    assert [fact.state for fact in await facts(diff)] == [PreviewState.RUNNING, PreviewState.DONE]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["in order", "swapped"])
async def test_of_two_previews_of_a_job_the_newest_is_made(diff: Diff, order: tuple[int, int]) -> None:
    for number in order:
        await diff.give(asked(wish(), f"preview-{number}", number))
    await make(diff)
    assert [fact.state for fact in await facts(diff, "preview-1")] == [PreviewState.SUPERSEDED]
    assert (await facts(diff, "preview-2"))[-1].state is PreviewState.DONE


async def test_a_crash_at_the_end_makes_the_plan_again_and_tells_it_once(
    diff: Diff, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provision(diff, people(2))
    await diff.give(asked(wish(filtered("city", "EQUALS", "Rome"))))

    def crash(_: str) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched, pytest.raises(ConnectionError):
        patched.setattr(making, "crash_point", crash)
        await make(diff)
    assert [fact.state for fact in await facts(diff)] == [PreviewState.RUNNING]
    assert not await rows(diff)
    await make(diff)
    told = await facts(diff)
    assert [fact.state for fact in told] == [PreviewState.RUNNING, PreviewState.RUNNING, PreviewState.DONE]
    assert [fact.sequence for fact in told] == [1, 2, 4], "the rows have the number between"
    assert len(await rows(diff)) == 2


async def test_a_plan_that_ends_the_process_each_time_is_given_up(diff: Diff, monkeypatch: pytest.MonkeyPatch) -> None:
    await diff.give(asked(wish()))

    def crash(_: str) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(making, "crash_point", crash)
        for _ in range(making.MOST_ATTEMPTS):
            with pytest.raises(ConnectionError):
                await make(diff)
    await make(diff)
    last = (await facts(diff))[-1]
    assert last.state is PreviewState.FAILED
    assert "3 times" in (last.detail or "")


@pytest.mark.parametrize(
    ("version", "deleted", "words"),
    [(3, False, "was changed since"), (2, True, "was deleted")],
    ids=["changed", "deleted"],
)
async def test_a_job_that_is_another_by_now_has_no_plan(diff: Diff, version: int, deleted: bool, words: str) -> None:
    await diff.define(job_record(version=version, deleted=deleted))
    fact = await preview(diff, wish(version=2))
    assert fact.state is PreviewState.FAILED
    assert words in (fact.detail or "")


async def test_a_version_of_the_job_that_has_not_arrived_is_waited_for(diff: Diff) -> None:
    await diff.give(asked(wish(version=2)))
    await make(diff)
    assert not await facts(diff)
    await diff.define(job_record(version=2))
    await make(diff)
    assert (await facts(diff))[-1].state is PreviewState.DONE


async def test_a_plan_that_takes_too_long_is_given_up(diff: Diff) -> None:
    await diff.give(asked(wish(version=2)))
    await make(diff, patience=-1)
    last = (await facts(diff))[-1]
    assert last.state is PreviewState.FAILED
    assert "SEATKEEPER_DIFF_PREVIEW_SECONDS" in (last.detail or "")


async def test_progress_is_told_and_a_newer_preview_stops_the_older_midway(
    diff: Diff, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provision(diff, people(7))
    monkeypatch.setattr(making, "TELL_EVERY_SECONDS", 0.0)
    await diff.give(asked(wish()))
    tell = making.tell

    def and_ask(tx: Any, one: Any, sequence: int, state: PreviewState, **what: Any) -> None:
        tell(tx, one, sequence, state, **what)
        looked.append(what.get("looked_at", 0))

    looked: list[int] = []
    monkeypatch.setattr(making, "tell", and_ask)
    await make(diff)
    assert looked == [0, 0, 3, 6, 7]
    assert [fact.looked_at for fact in await facts(diff)] == [0, 0, 3, 6, 7, 7]
    await diff.give(asked(wish(), "preview-2", 2))
    advance = making.store.advance

    async def superseded(connection: Any, one: Any) -> int | None:
        if one.preview_id == "preview-2":
            await diff.give(asked(wish(), "preview-3", 3))
        return await advance(connection, one)

    monkeypatch.setattr(making.store, "advance", superseded)
    await make(diff)
    assert [fact.state for fact in await facts(diff, "preview-2")] == [PreviewState.RUNNING, PreviewState.SUPERSEDED]


async def test_an_error_of_one_plan_does_not_stop_the_next(diff: Diff, monkeypatch: pytest.MonkeyPatch) -> None:
    await diff.give(asked(wish()))

    def broken(*_: Any) -> Any:
        raise KeyError("not-a-real-value")

    with monkeypatch.context() as patched:
        patched.setattr(making, "candidate_of", broken)
        await make(diff)
    fact: PreviewFact = (await facts(diff))[-1]
    assert fact.state is PreviewState.FAILED
    assert "KeyError" in (fact.detail or "")
    assert "not-a-real-value" not in (fact.detail or "")
    assert (await preview(diff, wish(), "preview-2", 2)).state is PreviewState.DONE
