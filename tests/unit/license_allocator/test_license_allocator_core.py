"""What license-allocator decides, case by case."""

from dataclasses import replace

import pytest

from services.license_allocator.core import arrival_order, back_fill, decide_change, decide_outcome
from services.license_allocator.pool import Decision, Entry, Pool, State
from shared.contracts.changes import LicenseDecision, Operation
from shared.contracts.job import WhenExhausted
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import Result
from tests.support.builders_license_allocator import JOB, change, outcome

POOL = Pool(
    job_id=JOB,
    application_instance="EMEA",
    license_type="Advanced",
    auto_assign=True,
    when_exhausted=WhenExhausted.WAIT,
    capacity=2,
)
FULL = replace(POOL, in_use=2, next_ticket=3)
LINE = replace(FULL, waiting=1, next_ticket=4)
WAITING = Entry(object_id="u1", state=State.WAITING, ticket=3, generation=1, sequence=1)
RESERVED = Entry(object_id="u1", state=State.RESERVED, ticket=1, generation=1, let_out=True)
GRANTED = replace(RESERVED, state=State.GRANTED, settled=1, sequence=1)


def passed(decision: Decision) -> LicenseDecision | None:
    return decision.passage.license.decision if decision.passage else None


def state(decision: Decision) -> State | None:
    return decision.entry.state if decision.entry else None


def test_a_free_license_is_reserved_with_the_next_ticket() -> None:
    decision = decide_change(replace(POOL, next_ticket=7), None, change())
    assert passed(decision) is LicenseDecision.RESERVED
    assert decision.passage is not None
    assert decision.passage.license.ticket == 7
    assert decision.passage.license.application_instance == "EMEA"
    assert (decision.pool.in_use, decision.pool.next_ticket) == (1, 8)
    assert state(decision) is State.RESERVED
    assert decision.move is not None
    assert not decision.move.announced


def test_when_none_is_left_the_user_waits_with_a_ticket_and_its_change() -> None:
    decision = decide_change(FULL, None, change())
    assert passed(decision) is None
    assert decision.entry is not None
    assert (decision.entry.state, decision.entry.ticket, decision.entry.change) == (State.WAITING, 3, change())
    assert (decision.pool.in_use, decision.pool.waiting) == (2, 1)
    assert "all 2 licenses are taken" in decision.reason
    assert decision.move is not None
    assert decision.move.announced


def test_when_none_is_left_the_policy_may_let_users_out_without_a_license() -> None:
    pool = replace(FULL, when_exhausted=WhenExhausted.PROVISION_WITHOUT_LICENSE)
    decision = decide_change(pool, None, change())
    assert passed(decision) is LicenseDecision.NONE_LEFT
    assert decision.pool == pool
    assert state(decision) is State.NONE


def test_who_comes_later_waits_behind_the_line_even_when_a_license_is_free() -> None:
    decision = decide_change(replace(POOL, in_use=1, waiting=1, next_ticket=4), None, change())
    assert state(decision) is State.WAITING
    assert "others came before" in decision.reason


@pytest.mark.parametrize("entry", [RESERVED, GRANTED])
def test_a_license_that_is_held_is_not_taken_again(entry: Entry) -> None:
    decision = decide_change(FULL, entry, change(generation=2))
    assert passed(decision) is LicenseDecision.HELD
    assert decision.pool == FULL
    assert decision.entry == replace(entry, generation=2)


def test_a_disable_needs_no_license_and_frees_none_before_it_is_done() -> None:
    decision = decide_change(FULL, GRANTED, change(generation=2, active=False, target_id="t1"))
    assert passed(decision) is LicenseDecision.NOT_NEEDED
    assert decision.pool.in_use == 2
    assert state(decision) is State.GRANTED


def test_a_group_needs_no_license_and_no_row() -> None:
    group = change("g1", active=False, operation=Operation.CREATE, object_type=ObjectType.GROUP)
    decision = decide_change(FULL, None, group)
    assert passed(decision) is LicenseDecision.NOT_NEEDED
    assert decision.entry is None
    assert not decision.changed


@pytest.mark.parametrize("operation", list(Operation))
@pytest.mark.parametrize("auto_assign", [True, False])
def test_every_change_of_a_group_goes_out_in_order_whatever_the_pool_says(
    operation: Operation, auto_assign: bool
) -> None:
    pool = replace(LINE, auto_assign=auto_assign)
    changes = [
        change("g1", generation, operation=operation, object_type=ObjectType.GROUP).model_copy(
            update={"needs_license": generation == 2}
        )
        for generation in (1, 2, 3)
    ]
    assert arrival_order(changes) == changes
    for each in changes:
        decision = decide_change(pool, None, each)
        assert decision.passage is not None
        assert decision.passage.change is each
        assert (passed(decision), decision.passage.license.ticket) == (LicenseDecision.NOT_NEEDED, None)
        assert (decision.pool, decision.entry, decision.move) == (pool, None, None)


def test_a_newer_change_takes_the_place_of_the_one_that_waits_and_keeps_the_ticket() -> None:
    newer = change(generation=2)
    decision = decide_change(LINE, WAITING, newer)
    assert passed(decision) is None
    assert decision.withdrawn is None
    assert decision.entry is not None
    assert (decision.entry.ticket, decision.entry.change, decision.entry.generation) == (3, newer, 2)
    assert decision.pool == LINE


def test_who_is_no_longer_wanted_before_anything_was_written_is_withdrawn() -> None:
    decision = decide_change(LINE, WAITING, change(generation=2, active=False))
    assert passed(decision) is None
    assert decision.withdrawn is not None
    assert decision.withdrawn.generation == 2
    assert decision.pool.waiting == 0
    assert state(decision) is State.RELEASED


@pytest.mark.parametrize(("target_id", "let_out"), [("t1", False), (None, True)])
def test_who_waits_for_a_second_time_is_disabled_rather_than_withdrawn(target_id: str | None, let_out: bool) -> None:
    waiting = replace(WAITING, let_out=let_out)
    decision = decide_change(LINE, waiting, change(generation=2, active=False, target_id=target_id))
    assert passed(decision) is LicenseDecision.NOT_NEEDED
    assert decision.withdrawn is None
    assert decision.pool.waiting == 0


def test_with_auto_assign_off_everything_passes_and_nothing_is_counted() -> None:
    off = replace(POOL, auto_assign=False, capacity=0)
    for wanted in (change(), change(active=False, target_id="t1")):
        decision = decide_change(off, None, wanted)
        assert passed(decision) is LicenseDecision.NOT_COUNTED
        assert decision.entry is None
        assert decision.pool == off


def test_auto_assign_turned_off_lets_the_line_out_uncounted() -> None:
    off = replace(LINE, auto_assign=False)
    decision = decide_change(off, WAITING, change(generation=2))
    assert passed(decision) is LicenseDecision.NOT_COUNTED
    assert decision.pool.waiting == 0
    [filled] = back_fill(off, [replace(WAITING, change=change())])
    assert passed(filled) is LicenseDecision.NOT_COUNTED
    assert (filled.pool.in_use, filled.pool.waiting) == (2, 0)


@pytest.mark.parametrize("generation", [1, 2])
def test_an_overtaken_or_repeated_change_does_nothing(generation: int) -> None:
    entry = replace(GRANTED, generation=2)
    decision = decide_change(FULL, entry, change(generation=generation))
    assert (decision.changed, passed(decision), decision.move) == (False, None, None)
    assert "overtaken" in decision.reason


def test_a_create_that_comes_after_its_disable_takes_no_license() -> None:
    disabled = decide_change(POOL, None, change(generation=2, active=False))
    assert disabled.entry is not None
    late = decide_change(disabled.pool, disabled.entry, change(generation=1))
    assert passed(late) is None
    assert late.pool.in_use == 0


@pytest.mark.parametrize("result", [Result.DONE, Result.ADOPTED])
@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.UPDATE])
def test_success_grants_what_was_reserved(result: Result, operation: Operation) -> None:
    decision = decide_outcome(FULL, RESERVED, outcome(result=result, operation=operation))
    assert state(decision) is State.GRANTED
    assert decision.pool == FULL
    assert decision.move is not None
    assert not decision.move.announced


def test_a_done_create_of_an_older_generation_still_grants() -> None:
    decision = decide_outcome(FULL, replace(RESERVED, generation=2), outcome(generation=1))
    assert state(decision) is State.GRANTED


@pytest.mark.parametrize("operation", [Operation.DISABLE, Operation.DELETE])
@pytest.mark.parametrize("entry", [RESERVED, GRANTED])
def test_a_confirmed_removal_frees_the_license(operation: Operation, entry: Entry) -> None:
    decision = decide_outcome(FULL, replace(entry, generation=2), outcome(generation=2, operation=operation))
    assert state(decision) is State.RELEASED
    assert decision.pool.in_use == 1


def test_an_update_that_leaves_the_account_inactive_frees_the_license() -> None:
    decision = decide_outcome(FULL, GRANTED, outcome(operation=Operation.UPDATE, active=False))
    assert state(decision) is State.RELEASED


def test_a_refused_create_frees_the_license_and_a_refused_update_keeps_it() -> None:
    refused = outcome(result=Result.FAILED)
    assert state(decide_outcome(FULL, RESERVED, refused)) is State.RELEASED
    kept = decide_outcome(FULL, GRANTED, outcome(result=Result.FAILED, operation=Operation.UPDATE))
    assert state(kept) is State.GRANTED
    assert kept.pool == FULL


def test_a_refused_disable_frees_nothing() -> None:
    for entry in (RESERVED, GRANTED):
        decision = decide_outcome(FULL, entry, outcome(result=Result.FAILED, operation=Operation.DISABLE))
        assert decision.pool.in_use == 2


def test_a_failure_of_an_older_generation_is_ignored() -> None:
    entry = replace(RESERVED, generation=2)
    decision = decide_outcome(FULL, entry, outcome(generation=1, result=Result.FAILED))
    assert (decision.changed, decision.pool) == (False, FULL)


@pytest.mark.parametrize("result", [Result.RETRY_LATER, Result.SUPERSEDED, Result.STOP, Result.WITHDRAWN])
def test_what_is_not_final_keeps_the_license(result: Result) -> None:
    for entry in (RESERVED, GRANTED):
        assert not decide_outcome(FULL, entry, outcome(result=result)).changed


def test_a_disable_that_a_newer_change_overtook_keeps_the_license_until_that_one_ends() -> None:
    entry = replace(GRANTED, generation=3)
    disabled = decide_outcome(FULL, entry, outcome(generation=2, operation=Operation.DISABLE))
    assert state(disabled) is State.RESERVED
    assert disabled.pool.in_use == 2
    assert disabled.entry is not None
    refused = decide_outcome(
        FULL, disabled.entry, outcome(generation=3, result=Result.FAILED, operation=Operation.UPDATE)
    )
    assert state(refused) is State.RELEASED


def test_an_outcome_older_than_the_newest_known_one_changes_nothing() -> None:
    entry = replace(GRANTED, generation=3, settled=3)
    decision = decide_outcome(FULL, entry, outcome(generation=2, operation=Operation.DISABLE))
    assert not decision.changed


@pytest.mark.parametrize("entry", [None, WAITING, replace(GRANTED, state=State.RELEASED), Entry(object_id="u1")])
def test_an_outcome_for_somebody_without_a_license_changes_nothing(entry: Entry | None) -> None:
    decision = decide_outcome(FULL, entry, outcome())
    assert (decision.changed, decision.pool) == (False, FULL)


def test_freed_licenses_go_to_the_head_of_the_line_and_no_further() -> None:
    pool = replace(POOL, capacity=3, in_use=1, waiting=3, next_ticket=6)
    heads = [
        Entry(object_id=f"u{ticket}", state=State.WAITING, ticket=ticket, generation=1, change=change(f"u{ticket}"))
        for ticket in (3, 4, 5)
    ]
    filled = list(back_fill(pool, heads))
    assert [decision.entry.object_id for decision in filled if decision.entry] == ["u3", "u4"]
    assert [passed(decision) for decision in filled] == [LicenseDecision.RESERVED] * 2
    assert (filled[-1].pool.in_use, filled[-1].pool.waiting) == (3, 1)
    assert all(decision.move and decision.move.announced for decision in filled)


def test_a_capacity_below_the_use_evicts_nobody_and_hands_out_nothing() -> None:
    over = replace(LINE, capacity=1)
    assert over.free == 0
    assert not list(back_fill(over, [replace(WAITING, change=change())]))
    assert state(decide_change(over, None, change("u9"))) is State.WAITING


def test_a_deleted_job_hands_out_nothing() -> None:
    assert replace(POOL, closed=True, waiting=1).may_leave_line == 0
    assert state(decide_change(replace(POOL, closed=True), None, change())) is State.WAITING


def test_within_a_batch_the_oldest_assignment_is_served_first_and_each_user_keeps_its_order() -> None:
    batch = [
        change("late", assigned=9),
        change("unknown"),
        change("early", assigned=1),
        change("early", 2, assigned=1),
        change("also early", assigned=1),
    ]
    served = [(item.object_id, item.generation) for item in arrival_order(batch)]
    assert served == [("early", 1), ("early", 2), ("also early", 1), ("late", 1), ("unknown", 1)]


@pytest.mark.parametrize("entry", [None, WAITING, RESERVED, GRANTED], ids=["unknown", "waiting", "reserved", "granted"])
def test_a_comparison_passes_and_moves_no_license_and_nobody_in_the_line(entry: Entry | None) -> None:
    compared = change(generation=9, operation=Operation.COMPARE, active=False)
    decision = decide_change(LINE, entry, compared)
    assert passed(decision) is LicenseDecision.NOT_NEEDED
    assert (decision.pool, decision.entry, decision.changed, decision.move) == (LINE, entry, False, None)
