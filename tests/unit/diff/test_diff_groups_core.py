"""What happens to one group when something arrives, and what becomes of its members."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.diff.escrow import EXPIRED, FORGOTTEN
from services.diff.groups.core import (
    GroupOccasion,
    assignment_arrived,
    deletion_let_out,
    forget_escrow,
    forget_link,
    look_again,
    members_picked,
    retry_due,
)
from services.diff.groups.group import Group
from services.diff.groups.membership import Membership, Need, concerning, sent
from services.diff.groups.outcomes import members_over, membership_after, outcome_arrived
from services.diff.groups.wanted import takes_members
from shared.contracts.assignments import Lifecycle
from shared.contracts.changes import Change, Operation
from shared.contracts.failure_codes import Code, failure
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.contracts.public import EventName, UserStatus
from shared.contracts.synchronization_schema import ObjectFlow
from tests.support.builders_diff import AT, DEFAULT_ACCESS, JOB, OTHER_ROLE
from tests.support.builders_groups import (
    GROUP,
    group_assignment,
    group_change,
    group_changes,
    group_events,
    group_occasion,
    group_outcome,
    group_rules,
)


def created() -> tuple[Group, Change]:
    decision = assignment_arrived(None, group_assignment(), group_occasion())
    return decision.group, group_change(decision)


def provisioned() -> Group:
    group, creation = created()
    return outcome_arrived(group, group_outcome(creation, target_id="t-1"), group_occasion()).group


def test_an_assigned_group_is_created_by_its_name_and_takes_no_license() -> None:
    decision = assignment_arrived(None, group_assignment(), group_occasion())
    creation = group_change(decision)
    assert (creation.operation, creation.object_type, creation.needs_license) == (
        Operation.CREATE,
        ObjectType.GROUP,
        False,
    )
    assert creation.resource == {"displayName": "Sales", "externalId": GROUP}
    assert [value.attribute for value in creation.matching] == ["displayName"]
    assert creation.members == ()
    assert [event.event for event in group_events(decision)] == [EventName.FEED_ADD]


@pytest.mark.parametrize(
    ("assignment", "condition"),
    [
        pytest.param(group_assignment(assigned=False), "Assigned to the application", id="unassigned"),
        pytest.param(
            group_assignment(assigned=False, securityEnabled=False), "not security-enabled", id="not-security-enabled"
        ),
        pytest.param(group_assignment(roles=(DEFAULT_ACCESS,)), "Group has the required role", id="default-access"),
        pytest.param(group_assignment(roles=(OTHER_ROLE,)), "Group has the required role", id="another-role"),
        pytest.param(
            group_assignment(lifecycle=Lifecycle.SOFT_DELETED), "Active in the source system", id="soft-deleted"
        ),
        pytest.param(group_assignment(name=None), "displayName has no value", id="without-a-name"),
    ],
)
def test_a_group_that_is_skipped_says_every_reason_once(assignment: object, condition: str) -> None:
    decision = assignment_arrived(None, assignment, group_occasion())  # type: ignore[arg-type] # made by the builder
    assert group_changes(decision) == []
    assert decision.group.status is UserStatus.SKIPPED
    [told] = [item.message for item in decision.emissions if isinstance(item.message, ProvisioningOutcome)]
    assert any(condition in reason for reason in told.reasons)
    again = assignment_arrived(
        decision.group,
        assignment.model_copy(update={"sequence": 2}),  # type: ignore[attr-defined]
        group_occasion(),
    )
    assert again.emissions == ()


LEAVINGS = {
    "unassigned": group_assignment(2, assigned=False),
    "lost-the-role": group_assignment(2, roles=(OTHER_ROLE,)),
    "soft-deleted": group_assignment(2, assigned=False, lifecycle=Lifecycle.SOFT_DELETED),
    "hard-deleted": group_assignment(2, assigned=False, lifecycle=Lifecycle.HARD_DELETED),
}


@pytest.mark.parametrize("leaving", LEAVINGS.values(), ids=LEAVINGS)
def test_deprovisioning_a_group_that_leaves_is_deleted(leaving: object) -> None:
    decision = assignment_arrived(provisioned(), leaving, group_occasion())  # type: ignore[arg-type]
    deletion = group_change(decision)
    assert (deletion.operation, deletion.target_id) == (Operation.DELETE, "t-1")
    gone = outcome_arrived(decision.group, group_outcome(deletion, target_id=None), group_occasion())
    assert (gone.group.link, gone.group.status) == (None, UserStatus.SKIPPED)
    assert EventName.DELETE in [event.event for event in group_events(gone)]


KEEPING = {
    "skipOutOfScopeDeletions": group_rules(skip_out_of_scope_deletions=True),
    "delete-action-off": group_rules(without=frozenset({ObjectFlow.DELETE})),
    "groups-not-mapped": group_rules(mapped=False),
}


@pytest.mark.parametrize("leaving", LEAVINGS.values(), ids=LEAVINGS)
@pytest.mark.parametrize("rules", KEEPING.values(), ids=KEEPING)
def test_deprovisioning_the_group_and_its_members_are_kept(rules: object, leaving: object) -> None:
    occasion = group_occasion(rules)  # type: ignore[arg-type]
    decision = assignment_arrived(provisioned(), leaving, occasion)  # type: ignore[arg-type]
    assert group_changes(decision) == []
    assert decision.group.link is not None
    assert not takes_members(decision.group, occasion.rules)


def test_update_off_leaves_name_and_members_alone() -> None:
    rules = group_rules(without=frozenset({ObjectFlow.UPDATE}))
    decision = assignment_arrived(provisioned(), group_assignment(2, name="Other"), group_occasion(rules))
    assert group_changes(decision) == []
    assert not takes_members(decision.group, rules)


def test_create_off_makes_no_group() -> None:
    rules = group_rules(without=frozenset({ObjectFlow.ADD}))
    assert group_changes(assignment_arrived(None, group_assignment(), group_occasion(rules))) == []


def test_nothing_is_taken_away_while_the_directory_cannot_tell() -> None:
    unknown = group_assignment(2, lifecycle=Lifecycle.UNKNOWN)
    assert group_changes(assignment_arrived(provisioned(), unknown, group_occasion())) == []


def test_a_deletion_waits_for_its_cycle_and_is_dropped_when_the_group_returns() -> None:
    def arrived(group: Group, sequence: int, *, assigned: bool) -> Group:
        cycle = group_occasion(cycle="cycle-1")
        decision = assignment_arrived(group, group_assignment(sequence, assigned=assigned), cycle)
        assert group_changes(decision) == []
        return decision.group

    staged = arrived(provisioned(), 2, assigned=False)
    assert staged.staged_in == "cycle-1"
    assert group_change(deletion_let_out(staged, group_occasion())).operation is Operation.DELETE
    back = arrived(staged, 3, assigned=True)
    assert back.staged_in is None
    assert group_changes(deletion_let_out(back, group_occasion())) == []


def test_a_rename_waits_for_the_change_under_way() -> None:
    group, creation = created()
    renamed = assignment_arrived(group, group_assignment(2, name="Other"), group_occasion())
    assert group_changes(renamed) == []
    after = outcome_arrived(renamed.group, group_outcome(creation, target_id="t-1"), group_occasion())
    update = group_change(after)
    assert (update.operation, update.target_id, update.generation) == (Operation.UPDATE, "t-1", 2)
    assert [(item.path, item.new) for item in update.modified] == [("displayName", "Other")]


def test_a_create_with_an_unknown_end_is_deleted_by_matching_when_the_group_leaves() -> None:
    group, creation = created()
    unknown = outcome_arrived(group, group_outcome(creation, Result.RETRY_LATER), group_occasion()).group
    deletion = group_change(assignment_arrived(unknown, group_assignment(2, assigned=False), group_occasion()))
    assert (deletion.operation, deletion.target_id) == (Operation.DELETE, None)
    assert deletion.resource["externalId"] == GROUP


def test_a_failed_group_is_tried_again_when_its_time_has_come() -> None:
    group, creation = created()
    failed = outcome_arrived(group, group_outcome(creation, Result.FAILED), group_occasion()).group
    assert failed.status is UserStatus.FAILED
    assert failed.next_attempt_at is not None
    assert group_changes(retry_due(failed, group_occasion())) == []
    again = retry_due(failed, group_occasion(at=failed.next_attempt_at))
    assert (group_change(again).generation, group_change(again).attempt) == (2, 2)


def test_a_group_that_failed_for_too_long_says_that_it_is_not_tried_again_and_what_to_do() -> None:
    group, creation = created()
    long_ago = AT - group_occasion().backoff.expires
    failing = replace(group, attempts=9, escrows=9, failing_since=long_ago)
    told = failure(Code.INTERNAL_ERROR, "The target refused it")
    decision = outcome_arrived(failing, group_outcome(creation, Result.FAILED, failure=told), group_occasion())
    assert (decision.group.status, decision.group.next_attempt_at) == (UserStatus.FAILED, None)
    assert decision.group.reasons == ("The target refused it", EXPIRED)
    assert EXPIRED in decision.reason


def test_a_restart_forgets_what_failed_and_says_so_of_a_group_that_waited_for_an_attempt() -> None:
    group, creation = created()
    waiting = outcome_arrived(group, group_outcome(creation, Result.RETRY_LATER), group_occasion()).group
    assert waiting.status is UserStatus.PENDING
    decision = forget_escrow(waiting, group_occasion())
    assert (decision.group.status, decision.group.next_attempt_at) == (UserStatus.FAILED, None)
    assert decision.group.reasons[-1] == FORGOTTEN
    assert forget_escrow(decision.group, group_occasion()).group is decision.group


def test_new_rules_and_a_forgotten_link_are_decided_about_anew() -> None:
    assert group_changes(look_again(provisioned(), group_occasion())) == []
    forgotten = forget_link(provisioned(), group_occasion())
    assert group_change(forgotten).operation is Operation.CREATE
    assert forgotten.group.members_left


def sent_member(need: Need = Need.ADD) -> tuple[Group, Membership, Change]:
    """A change of one member that is under way."""
    row = Membership(job_id=JOB, group_id=GROUP, user_id="ada", wanted=need is Need.ADD, target_id="a-1")
    if need is Need.REMOVE:
        row = concerning(row, wanted=False, target_id="a-1")
        row = Membership(job_id=JOB, group_id=GROUP, user_id="ada", target_id="a-1", held="a-1", certain=True)
    decision = members_picked(provisioned(), need, [row.subject or ""], group_occasion())
    on_the_way = sent(row, generation=decision.group.generation, link_number=1)
    return decision.group, on_the_way, group_change(decision)


@pytest.mark.parametrize(
    ("need", "operation"), [(Need.ADD, Operation.ADD_MEMBERS), (Need.REMOVE, Operation.REMOVE_MEMBERS)]
)
def test_a_change_of_members_carries_their_ids_at_the_target(need: Need, operation: Operation) -> None:
    group, row, change = sent_member(need)
    assert (change.operation, change.members, change.target_id, change.modified) == (operation, ("a-1",), "t-1", ())
    assert row.need is None
    done = membership_after(row, need, group_outcome(change), group_occasion())
    assert done.need is None
    assert done.held == ("a-1" if need is Need.ADD else None)
    assert outcome_arrived(group, group_outcome(change), group_occasion()).group.status is UserStatus.PROVISIONED


@pytest.mark.parametrize("result", [Result.RETRY_LATER, Result.SUPERSEDED, Result.FAILED])
def test_members_of_a_change_that_came_to_nothing_are_asked_for_again(result: Result) -> None:
    group, row, change = sent_member()
    told = group_outcome(change, result)
    assert membership_after(row, Need.ADD, told, group_occasion()).need is Need.ADD
    after = outcome_arrived(group, told, group_occasion()).group
    assert after.members_at is not None
    assert after.members_at > AT


def test_a_group_whose_change_of_members_was_refused_is_well_again_when_it_became_needless() -> None:
    sending = members_picked(provisioned(), Need.ADD, ["a-1"], group_occasion())
    told = group_outcome(group_change(sending), Result.FAILED, failure=failure(Code.CONFLICT, "refused"))
    failed = outcome_arrived(sending.group, told, group_occasion()).group
    assert (failed.status, failed.member_attempts) == (UserStatus.FAILED, 1)
    well = members_over(failed, group_occasion())
    assert (well.group.status, well.group.member_attempts) == (UserStatus.PROVISIONED, 0)
    assert group_changes(well) == []


def test_a_refused_member_waits_alone_and_may_still_have_to_be_removed() -> None:
    group, row, change = sent_member()
    told = group_outcome(change, refused_members=("a-1",))
    refused = membership_after(row, Need.ADD, told, group_occasion())
    assert (refused.need, refused.not_before > AT) == (Need.ADD, True)
    assert concerning(refused, wanted=False, target_id="a-1").need is Need.REMOVE
    after = outcome_arrived(group, told, group_occasion())
    assert (after.group.status, after.group.members_at) == (UserStatus.PROVISIONED, AT)


def test_a_group_that_is_gone_loses_its_link_and_its_members() -> None:
    group, _, change = sent_member()
    gone = group_outcome(change, Result.FAILED, failure=failure(Code.INVALID_ANCHOR, "gone"))
    after = outcome_arrived(group, gone, group_occasion()).group
    assert (after.link, after.members_left) == (None, True)
    later = GroupOccasion(
        rules=group_rules(),
        backoff=group_occasion().backoff,
        at=AT + timedelta(days=1),
        txn="flow-1",
        gathering=timedelta(0),
    )
    assert group_change(retry_due(after, later)).operation is Operation.CREATE


def test_a_relinked_user_is_taken_out_by_the_old_id_before_the_new_one_is_added() -> None:
    row = Membership(job_id=JOB, group_id=GROUP, user_id="ada", wanted=True, target_id="a-2", held="a-1", certain=True)
    assert (row.need, row.subject) == (Need.REMOVE, "a-1")
    without = concerning(row, wanted=True, target_id=None)
    assert without.need is None
