"""diff against a model of everything around it: a directory, a writer with a target, and a Kafka that swaps and repeats."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.diff.core import Decision, assignment_arrived, license_arrived, retry_due
from services.diff.decision_table import look_at
from services.diff.mapping import kept_back
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from services.diff.removals.staging import removal_let_out
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Change, Operation
from shared.contracts.failure_codes import Code, failure
from shared.contracts.outcomes import LicenseState, ProvisioningOutcome, Result
from shared.contracts.public import EventName, UserStatus
from tests.support.builders_diff import (
    AT,
    DEFAULT_ACCESS,
    USER_ROLE,
    assignment,
    changes,
    events,
    license_fact,
    occasion,
    outcome,
    rules,
    skips,
    users,
)

FAULTS = st.sampled_from(["none", "none", "none", "refused", "refused later", "unknown, not done", "unknown, but done"])
MAPPED = ("jobTitle", "jobTitle", "city", "userPrincipalName")


class Model(RuleBasedStateMachine):
    """One person. ``account`` is what the target really holds; the writer executes the newest change it has."""

    def __init__(self) -> None:
        super().__init__()
        self.person: Person | None = None
        self.at = AT
        self.job_rules = rules()
        self.source: dict[str, Any] = {"jobTitle": "Buyer"}
        self.shape: dict[str, Any] = {"assigned": True, "roles": [USER_ROLE]}
        self.version = 0
        self.assignments: list[DirectoryAssignment] = []
        self.commands: list[Change] = []
        self.executed = 0
        self.outcomes: list[ProvisioningOutcome] = []
        self.account: dict[str, Any] | None = None
        self.accounts = 0
        self.drifted = False
        self.reports_wishes = False
        self.guarded = False
        self.delivered = 0
        self.license_sequence = 0
        self.generations: list[int] = []
        self.event_sequences: list[int] = []
        self.user_sequences: list[int] = []
        self.active_told = False

    # What the model does with a decision.

    def take(self, decision: Decision) -> None:
        self.person = decision.person
        for change in changes(decision):
            self.generations.append(change.generation)
            self.commands.append(change)
        self.event_sequences += [event.sequence for event in events(decision)]
        self.user_sequences += [user.sequence for user in users(decision)]
        for user in users(decision):
            self.active_told = user.active

    def deliver_assignment(self, index: int) -> None:
        self.delivered = max(self.delivered, index + 1)
        cycle = f"cycle-{index}" if self.guarded else None
        happened = replace(occasion(self.job_rules, at=self.at), cycle=cycle)
        decision = assignment_arrived(self.person, self.assignments[index], happened)
        # A removal that a cycle caused is only ever sent once that cycle lets it out.
        released = self.person is not None and self.person.released
        if self.guarded and not released and not decision.person.license_waiting:
            assert all(change.operation is not Operation.DISABLE for change in changes(decision))
        self.take(decision)

    def deliver_outcome(self, told: ProvisioningOutcome) -> None:
        assert self.person is not None
        self.take(outcome_arrived(self.person, told, occasion(self.job_rules, at=self.at)))

    # The writer and its target.

    def tell(self, change: Change, result: Result, **values: Any) -> None:
        self.outcomes.append(outcome(change, result, **values))

    def apply(self, change: Change) -> tuple[Result, dict[str, Any]]:
        """Only what the change modifies is written to an account that is linked: the writer that trusts diff the most."""
        modified = {item.path: item.new for item in change.modified}
        if change.target_id is not None and self.account is None:
            gone = failure(Code.INVALID_ANCHOR, "gone")
            return Result.FAILED, {"failure": gone}
        if self.account is not None:
            found = change.target_id is None
            wanted = change.resource if found and change.operation is Operation.CREATE else modified
            self.account.update(wanted)
            result = Result.ADOPTED if found and change.operation is Operation.CREATE else Result.DONE
            held = {**self.account, **change.resource} if self.reports_wishes else dict(self.account)
            return result, {"target_id": f"target-{self.accounts}", "resource": held}
        if change.operation is Operation.DISABLE:
            return Result.DONE, {"target_id": None, "resource": None}
        self.accounts += 1
        self.account = dict(change.resource)
        return Result.DONE, {"target_id": f"target-{self.accounts}", "resource": dict(self.account)}

    def execute(self, fault: str) -> None:
        newest = max(self.commands, key=lambda change: change.generation)
        for change in self.commands:
            if change is not newest:
                self.tell(change, Result.SUPERSEDED)
        self.commands = []
        assert newest.generation > self.executed
        self.executed = newest.generation
        if fault == "refused":
            self.tell(newest, Result.FAILED)
        elif fault in {"refused later", "unknown, not done"}:
            self.tell(newest, Result.RETRY_LATER)
        elif fault == "unknown, but done":
            self.apply(newest)
            self.tell(newest, Result.RETRY_LATER)
        else:
            result, values = self.apply(newest)
            self.tell(newest, result, **values)

    # What may happen, in any order.

    @initialize(reports_wishes=st.booleans(), guarded=st.booleans())
    def first(self, reports_wishes: bool = False, guarded: bool = False) -> None:
        self.reports_wishes = reports_wishes
        self.guarded = guarded
        self.observe()
        self.deliver_assignment(0)

    def observe(self) -> None:
        self.version += 1
        self.assignments.append(assignment(self.version, **self.shape, **self.source))

    @rule(name=st.sampled_from(MAPPED), value=st.sampled_from(["one@example", "two@example", None]))
    def attribute_changes(self, name: str, value: str | None) -> None:
        self.source[name] = value
        self.observe()

    @rule(assigned=st.booleans(), default_access=st.booleans(), enabled=st.booleans())
    def scope_changes(self, assigned: bool, default_access: bool, enabled: bool) -> None:
        roles = [DEFAULT_ACCESS if default_access else USER_ROLE] if assigned else []
        self.shape = {"assigned": assigned, "roles": roles}
        self.source["accountEnabled"] = enabled
        self.observe()

    @rule()
    def newest_assignment_arrives(self) -> None:
        self.deliver_assignment(len(self.assignments) - 1)

    @rule(name=st.sampled_from(MAPPED), value=st.sampled_from(["one@example", "two@example"]))
    def attribute_changes_and_arrives(self, name: str, value: str) -> None:
        self.attribute_changes(name, value)
        self.newest_assignment_arrives()

    @rule(data=st.data())
    def any_assignment_arrives(self, data: st.DataObject) -> None:
        self.deliver_assignment(data.draw(st.integers(0, len(self.assignments) - 1)))

    @precondition(lambda self: self.commands)
    @rule(fault=FAULTS)
    def writer_works(self, fault: str) -> None:
        self.execute(fault)

    @precondition(lambda self: self.outcomes)
    @rule()
    def next_outcome_arrives(self) -> None:
        self.deliver_outcome(self.outcomes.pop(0))

    @precondition(lambda self: self.outcomes)
    @rule(data=st.data(), again=st.booleans())
    def any_outcome_arrives(self, data: st.DataObject, again: bool) -> None:
        told = data.draw(st.sampled_from(self.outcomes))
        if not again:
            self.outcomes.remove(told)
        self.deliver_outcome(told)

    @rule(state=st.sampled_from(list(LicenseState)), stale=st.booleans())
    def license_moves(self, state: LicenseState, stale: bool) -> None:
        assert self.person is not None
        self.license_sequence += 0 if stale else 1
        fact = license_fact(state, sequence=max(self.license_sequence, 1), generation=self.person.generation)
        self.take(license_arrived(self.person, fact, occasion(self.job_rules, at=self.at)))

    @rule(seconds=st.sampled_from([1, 100, 100_000]))
    def time_passes(self, seconds: int) -> None:
        assert self.person is not None
        self.at += timedelta(seconds=seconds)
        self.take(retry_due(self.person, occasion(self.job_rules, at=self.at)))

    @precondition(lambda self: self.person is not None and self.person.staged_in)
    @rule()
    def the_cycle_lets_its_removals_out(self) -> None:
        assert self.person is not None
        self.take(removal_let_out(self.person, occasion(self.job_rules, at=self.at)))

    @precondition(lambda self: self.account is not None)
    @rule()
    def the_account_vanishes(self) -> None:
        self.account = None
        self.drifted = True

    # What always holds.

    @invariant()
    def i4_generations_rise(self) -> None:
        assert self.generations == list(range(1, len(self.generations) + 1))

    @invariant()
    def i8_events_have_no_gap(self) -> None:
        assert self.event_sequences == list(range(1, len(self.event_sequences) + 1))
        assert self.user_sequences == list(range(1, len(self.user_sequences) + 1))

    @invariant()
    def i1_a_person_who_waits_for_something_will_hear_of_it(self) -> None:
        person = self.person
        if person is None:
            return
        if person.in_flight:
            assert person.status in {UserStatus.PENDING, UserStatus.WAITING}
            assert person.next_attempt_at is None
        elif person.staged_in is not None:
            assert person.next_attempt_at is None
        elif person.next_attempt_at is not None:
            assert person.status in {UserStatus.PENDING, UserStatus.FAILED}
        else:
            settled = {UserStatus.PROVISIONED, UserStatus.SKIPPED, UserStatus.DISABLED}
            assert person.status in (settled if person.failing_since is None else {UserStatus.FAILED})

    # In the end everything arrives, and no fault happens any more.

    def quiet(self) -> None:
        for _ in range(50):
            if self.delivered < len(self.assignments):
                self.deliver_assignment(len(self.assignments) - 1)
            while self.outcomes:
                self.deliver_outcome(self.outcomes.pop(0))
            if self.commands:
                self.execute("none")
                continue
            assert self.person is not None
            if self.person.staged_in is not None:
                self.the_cycle_lets_its_removals_out()
                continue
            if self.person.next_attempt_at is None:
                if self.person.status is not UserStatus.FAILED:
                    return
                self.observe()  # its attempts have expired: a change of the source begins anew
                continue
            self.at = max(self.at, self.person.next_attempt_at)
            self.take(retry_due(self.person, occasion(self.job_rules, at=self.at)))
        raise AssertionError("it does not come to rest")

    def teardown(self) -> None:
        if self.person is None:
            return
        self.quiet()
        if self.drifted:  # only a write finds out that an account is gone
            self.source["city"] = "another"
            self.observe()
            self.quiet()
        self.check_converged()
        self.check_second_pass()

    def check_converged(self) -> None:
        person = self.person
        assert person is not None
        assert not person.in_flight
        case = look_at(person, self.job_rules)
        if case.scope.in_scope:
            if person.account is None:
                assert kept_back(case.mapped, self.job_rules)
                assert self.account is None or self.account["active"] is False or person.doubtful
                return
            assert person.status is UserStatus.PROVISIONED
            assert self.account is not None
            assert self.account == {**self.account, **case.mapped.values}
            assert self.account == person.account.resource
        else:
            assert person.status in {UserStatus.DISABLED, UserStatus.SKIPPED}
            assert self.account is None or self.account["active"] is False
        assert self.active_told is (person.status is UserStatus.PROVISIONED)

    def check_second_pass(self) -> None:
        self.observe()
        decision = assignment_arrived(self.person, self.assignments[-1], occasion(self.job_rules, at=self.at))
        assert changes(decision) == []
        assert skips(decision) == []
        assert events(decision) == []
        assert users(decision) == []


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=300, stateful_step_count=25, deadline=None)


def test_the_model_is_not_vacuous() -> None:
    """One path through the model that provisions, changes and disables, so that its own code is known to work."""
    model = Model()
    model.first()
    model.quiet()
    model.attribute_changes("jobTitle", "one@example")
    model.quiet()
    assert model.account is not None
    assert model.account["title"] == "one@example"
    model.scope_changes(assigned=False, default_access=False, enabled=True)
    model.quiet()
    assert model.account["active"] is False
    assert model.generations == [1, 2, 3]
    assert EventName.DEACTIVATE.value.endswith("deactivate")
    model.teardown()
