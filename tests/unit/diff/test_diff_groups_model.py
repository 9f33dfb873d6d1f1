"""Groups against a model of everything around them: a directory, accounts that come and go, a writer with a target, a Kafka that swaps."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.diff.following import Followed
from services.diff.groups.core import (
    NEED_OF,
    GroupDecision,
    GroupOccasion,
    assignment_arrived,
    members_picked,
    retry_due,
)
from services.diff.groups.group import Group
from services.diff.groups.members import in_step
from services.diff.groups.membership import Membership, Need, of_new_link, sent
from services.diff.groups.outcomes import ends_change, members_over, membership_after, outcome_arrived
from services.diff.groups.wanted import takes_members
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Change, Operation
from shared.contracts.failure_codes import Code, failure
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.contracts.public import UserStatus
from tests.support.builders_diff import AT, JOB
from tests.support.builders_groups import (
    GATHERING,
    GROUP,
    group_assignment,
    group_changes,
    group_events,
    group_occasion,
    group_outcome,
    group_rules,
)

USERS = ("ada", "ben", "cas", "dee", "eva")
MOST = 2
FAULTS = st.sampled_from(["none", "none", "refused", "refused members", "unknown, not done", "unknown, but done"])


class Model(RuleBasedStateMachine):
    """One group and five users. ``members`` is what the target really holds; a change carries at most two members."""

    def __init__(self) -> None:
        super().__init__()
        self.rules = group_rules()
        self.at = AT
        self.group: Group | None = None
        self.rows: dict[str, Membership] = {}
        self.woken = False
        self.version = 0
        self.assignments: list[DirectoryAssignment] = []
        self.name, self.assigned = "Sales", True
        self.belonging: dict[str, bool] = dict.fromkeys(USERS, False)
        self.accounts: dict[str, str | None] = dict.fromkeys(USERS)
        self.numbers = 0
        self.commands: list[Change] = []
        self.outcomes: list[ProvisioningOutcome] = []
        self.target: dict[str, Any] | None = None
        self.target_id = ""
        self.members: set[str] = set()
        self.generations: list[int] = []
        self.event_sequences: list[int] = []
        self.largest = 0
        self.vanished = False
        self.observe()

    # What the service does: the same steps as its handlers, with rows in memory.

    def occasion(self) -> GroupOccasion:
        return group_occasion(self.rules, at=self.at)

    def take(self, decision: GroupDecision) -> None:
        self.group = decision.group
        for change in group_changes(decision):
            self.generations.append(change.generation)
            self.commands.append(change)
            self.largest = max(self.largest, len(change.members))
        self.event_sequences += [event.sequence for event in group_events(decision)]

    def save(self, rows: list[Membership]) -> None:
        for row in rows:
            self.rows[row.user_id] = row
            if row.over:
                del self.rows[row.user_id]

    def deliver_assignment(self, index: int) -> None:
        self.take(assignment_arrived(self.group, self.assignments[index], self.occasion()))

    def deliver_outcome(self, told: ProvisioningOutcome) -> None:
        assert self.group is not None
        if not ends_change(self.group, told):
            return
        if self.group.sent and (need := NEED_OF.get(self.group.sent.operation)) is not None:
            rows = [row for row in self.rows.values() if row.sent_generation == self.group.generation]
            self.save([membership_after(row, need, told, self.occasion()) for row in rows])
        self.take(outcome_arrived(self.group, told, self.occasion()))
        self.next_members(whole=True)

    def next_members(self, *, whole: bool) -> None:
        group = self.group
        if group is None or group.in_flight or group.members_at is None or group.members_at > self.at:
            return
        if not takes_members(group, self.rules):
            self.group = replace(group, members_at=None)
            return
        for need in (Need.REMOVE, Need.ADD):
            rows = [row for row in self.rows.values() if row.need is need and row.not_before <= self.at][:MOST]
            if rows and not (whole and len(rows) < MOST):
                members = [row.subject for row in rows if row.subject]
                decision = members_picked(group, need, members, self.occasion())
                generation = decision.group.generation
                self.save([sent(row, generation=generation, link_number=group.link_number) for row in rows])
                self.take(decision)
                return
            if rows:
                break
        waiting = [row.not_before for row in self.rows.values() if row.need is not None]
        later = max(min(waiting), self.at + GATHERING) if waiting else None
        if later is None and group.member_attempts:
            self.take(members_over(group, self.occasion()))
            return
        self.group = replace(group, members_at=later)

    @rule()
    def timer(self) -> None:
        if self.group is None:
            return
        self.take(retry_due(self.group, self.occasion()))
        group = self.group
        if self.woken:
            self.woken = False
            at = self.at + GATHERING
            waits = group.members_at is not None and (group.members_at <= at or group.member_attempts > 0)
            if not (group.in_flight or waits):
                self.group = replace(group, members_at=at)
        self.next_members(whole=False)
        group = self.group
        if group.members_left:
            oldest = group.link_number if group.link else group.link_number + 1
            stale = [row for row in self.rows.values() if row.held is not None and row.held_link < oldest]
            self.save([of_new_link(row) for row in stale])
            self.group = replace(group, members_left=False, members_at=group.members_at or self.at)

    def follow(self, user: str) -> None:
        groups = frozenset({GROUP} if self.belonging[user] else ())
        moved = {(JOB, user): Followed(groups=groups, target_id=self.accounts[user])}
        changed = in_step(moved, [row for row in self.rows.values() if row.user_id == user])
        self.save(changed)
        self.woken |= any(row.need is not None for row in changed)

    # The writer and its target.

    def execute(self, fault: str) -> None:
        change = self.commands.pop(0)
        if fault == "refused":
            told = group_outcome(change, Result.FAILED)
        elif fault == "unknown, not done":
            told = group_outcome(change, Result.RETRY_LATER)
        elif fault == "unknown, but done":
            self.apply(change)
            told = group_outcome(change, Result.RETRY_LATER)
        elif fault == "refused members" and change.members:
            told = self.apply_half(change)
        else:
            told = self.apply(change)
        self.outcomes.append(told)

    def apply_half(self, change: Change) -> ProvisioningOutcome:
        refused, taken = change.members[:1], change.members[1:]
        if not taken:
            return group_outcome(change, Result.FAILED, refused_members=refused)
        told = self.apply(change.model_copy(update={"members": taken}))
        return told.model_copy(update={"refused_members": refused}) if told.result is Result.DONE else told

    def apply(self, change: Change) -> ProvisioningOutcome:
        there = self.target is not None and change.target_id == self.target_id
        match change.operation:
            case Operation.CREATE:
                if self.target is None:
                    self.numbers += 1
                    self.target, self.target_id, self.members = {}, f"group {self.numbers}", set()
                self.target = dict(change.resource)
                return group_outcome(change, Result.DONE, target_id=self.target_id)
            case Operation.DELETE:
                if there or change.target_id is None:
                    self.target, self.members = None, set()
                return group_outcome(change, Result.DONE, target_id=None)
            case _ if not there:
                return group_outcome(change, Result.FAILED, failure=failure(Code.INVALID_ANCHOR, "gone"))
            case Operation.UPDATE:
                self.target = {**(self.target or {}), **{item.path: item.new for item in change.modified}}
            case Operation.ADD_MEMBERS:
                self.members |= set(change.members)
            case _:
                self.members -= set(change.members)
        return group_outcome(change, Result.DONE, target_id=self.target_id)

    # What may happen, in any order.

    @initialize(filled=st.booleans())
    def first(self, filled: bool) -> None:
        if filled:
            for user in USERS[:3]:
                self.user_joins_or_leaves(user, belongs=True)
                self.user_gets_another_account(user)
            self.newest_assignment_arrives()
            self.quiet()

    @rule()
    def everything_calms_down(self) -> None:
        self.quiet()

    @rule(name=st.sampled_from(["Sales", "Service"]), assigned=st.booleans(), fault=FAULTS, again=st.booleans())
    def a_change_meets_a_fault(self, name: str, assigned: bool, fault: str, again: bool) -> None:
        before = self.name, self.assigned
        self.directory_changes(name, assigned)
        self.newest_assignment_arrives()
        if self.commands:
            self.execute(fault)
        if again:
            self.directory_changes(*before)
            self.newest_assignment_arrives()

    def observe(self) -> None:
        self.version += 1
        self.assignments.append(group_assignment(self.version, assigned=self.assigned, name=self.name))

    @rule(name=st.sampled_from(["Sales", "Service"]), assigned=st.booleans())
    def directory_changes(self, name: str, assigned: bool) -> None:
        self.name, self.assigned = name, assigned
        self.observe()

    @rule()
    def newest_assignment_arrives(self) -> None:
        self.deliver_assignment(len(self.assignments) - 1)

    @rule(data=st.data())
    def any_assignment_arrives(self, data: st.DataObject) -> None:
        self.deliver_assignment(data.draw(st.integers(0, len(self.assignments) - 1)))

    @rule(user=st.sampled_from(USERS), belongs=st.booleans())
    def user_joins_or_leaves(self, user: str, belongs: bool) -> None:
        self.belonging[user] = belongs
        self.follow(user)

    @rule(user=st.sampled_from(USERS), removed=st.booleans())
    def user_gets_another_account(self, user: str, removed: bool = False) -> None:
        if removed and (old := self.accounts[user]) is not None:
            self.members.discard(old)
        self.numbers += 1
        self.accounts[user] = f"{user} {self.numbers}"
        self.follow(user)

    @rule(user=st.sampled_from(USERS), belongs=st.booleans(), fault=FAULTS)
    def a_change_of_members_meets_a_fault(self, user: str, belongs: bool, fault: str) -> None:
        self.quiet()
        if self.accounts[user] is None:
            self.user_gets_another_account(user)
        self.user_joins_or_leaves(user, belongs)
        self.time_passes(1)
        self.time_passes(1)
        if self.commands:
            self.execute(fault)

    @rule(user=st.sampled_from(USERS))
    def user_loses_the_link(self, user: str) -> None:
        self.accounts[user] = None
        self.follow(user)

    @precondition(lambda self: self.commands)
    @rule(fault=FAULTS)
    def writer_works(self, fault: str) -> None:
        self.execute(fault)

    @precondition(lambda self: self.outcomes)
    @rule(data=st.data(), again=st.booleans())
    def any_outcome_arrives(self, data: st.DataObject, again: bool) -> None:
        told = data.draw(st.sampled_from(self.outcomes))
        if not again:
            self.outcomes.remove(told)
        self.deliver_outcome(told)

    @rule(seconds=st.sampled_from([1, 100, 100_000]))
    def time_passes(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)
        self.timer()

    @precondition(lambda self: self.target is not None)
    @rule()
    def the_group_vanishes(self) -> None:
        self.target, self.members = None, set()
        self.vanished = True

    # What always holds.

    @invariant()
    def i4_one_change_is_under_way_at_a_time(self) -> None:
        assert self.generations == list(range(1, len(self.generations) + 1))
        assert len(self.commands) <= 1
        assert self.largest <= MOST

    @invariant()
    def i8_events_have_no_gap(self) -> None:
        assert self.event_sequences == list(range(1, len(self.event_sequences) + 1))

    @invariant()
    def nobody_waits_for_a_change_that_is_not_under_way(self) -> None:
        for row in self.rows.values():
            if row.sent_generation is not None:
                assert self.group is not None
                assert self.group.in_flight
                assert row.sent_generation == self.group.generation

    # In the end everything arrives, and no fault happens any more.

    def quiet(self) -> None:
        for _ in range(200):
            while self.outcomes:
                self.deliver_outcome(self.outcomes.pop(0))
            if self.commands:
                self.execute("none")
                continue
            self.timer()
            group = self.group
            if group is None:
                return
            if self.commands or self.woken or group.members_left:
                continue
            due = [at for at in (group.next_attempt_at, group.members_at) if at is not None]
            if not due:
                return
            self.at = max(self.at, min(due))
        raise AssertionError("it does not come to rest")

    def teardown(self) -> None:
        self.deliver_assignment(len(self.assignments) - 1)
        self.quiet()
        if self.vanished:  # only a write finds out that a group is gone
            self.name = "Another name"
            self.observe()
            self.deliver_assignment(len(self.assignments) - 1)
            self.quiet()
        self.check_converged()
        self.check_second_pass()

    def check_converged(self) -> None:
        assert self.group is not None
        assert not self.group.in_flight
        if not self.assigned:
            assert self.target is None
            assert self.group.status is UserStatus.SKIPPED
            return
        assert self.group.status is UserStatus.PROVISIONED
        assert self.target == {"displayName": self.name, "externalId": GROUP}
        held = {row.held for row in self.rows.values() if row.wanted and row.target_id is None and row.held}
        wanted = {account for user, account in self.accounts.items() if account and self.belonging[user]}
        # Whoever lost the link keeps the place of the old account, until it is known whether there is another.
        assert wanted <= self.members <= wanted | held

    def check_second_pass(self) -> None:
        before = len(self.generations)
        self.observe()
        self.deliver_assignment(len(self.assignments) - 1)
        for user in USERS:
            self.follow(user)
        for _ in range(2):
            self.at += timedelta(days=2)
            self.timer()
        assert len(self.generations) == before


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_the_model_is_not_vacuous() -> None:
    """One path through the model that creates, fills, changes and deletes, so that its own code is known to work."""
    model = Model()
    model.newest_assignment_arrives()
    for user in USERS:
        model.user_joins_or_leaves(user, belongs=True)
        model.user_gets_another_account(user)
    model.quiet()
    assert model.members == set(model.accounts.values())
    assert model.largest == MOST
    model.user_joins_or_leaves("ada", belongs=False)
    model.quiet()
    assert model.members == {account for user, account in model.accounts.items() if user != "ada"}
    model.directory_changes("Sales", assigned=False)
    model.newest_assignment_arrives()
    model.quiet()
    assert model.target is None
    model.teardown()
