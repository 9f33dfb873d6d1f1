"""The decisions against a reference model, and their invariants under any order of messages (I2, I3, ASVS 2.3.4)."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.license_allocator.core import back_fill, decide_change, decide_outcome
from services.license_allocator.pool import HELD, Decision, Entry, Pool, State
from shared.contracts.changes import Change, Operation
from shared.contracts.job import WhenExhausted
from shared.contracts.outcomes import ProvisioningOutcome, Result
from tests.support.builders_license_allocator import JOB, Model, change, outcome

USERS = [f"u{number}" for number in range(6)]
some_user = st.sampled_from(USERS)


class Book:
    """The ledger in memory: applies decisions as the service does."""

    def __init__(self, capacity: int, *, without_license: bool = False) -> None:
        policy = WhenExhausted.PROVISION_WITHOUT_LICENSE if without_license else WhenExhausted.WAIT
        self.pool = Pool(
            job_id=JOB,
            application_instance="i",
            license_type="t",
            auto_assign=True,
            when_exhausted=policy,
            capacity=capacity,
        )
        self.entries: dict[str, Entry] = {}
        self.reserved_tickets: list[int] = []
        self.let_out: list[str] = []

    def take(self, user: str, decision: Decision) -> None:
        if decision.pool.in_use > self.pool.in_use:
            assert decision.pool.in_use <= decision.pool.capacity, "I2: more licenses than there are"
        self.pool = decision.pool
        if decision.changed and decision.entry:
            self.entries[user] = decision.entry
        move = decision.move
        if move and move.entry.state is State.RESERVED and move.before is not State.GRANTED:
            self.reserved_tickets.append(move.entry.ticket or 0)
        if decision.passage:
            self.let_out.append(user)

    def give(self, message: Change | ProvisioningOutcome) -> list[str]:
        """Handles a message and returns the users let out by it."""
        self.let_out = []
        entry = self.entries.get(message.object_id)
        decide: Any = decide_change if isinstance(message, Change) else decide_outcome
        self.take(message.object_id, decide(self.pool, entry, message))
        self.fill()
        return self.let_out

    def resize(self, capacity: int) -> list[str]:
        from dataclasses import replace

        self.let_out = []
        self.pool = replace(self.pool, capacity=capacity)
        self.fill()
        return self.let_out

    def fill(self) -> None:
        waiting = [entry for entry in self.entries.values() if entry.state is State.WAITING]
        for decision in back_fill(self.pool, sorted(waiting, key=lambda entry: entry.ticket or 0)):
            assert decision.entry
            self.take(decision.entry.object_id, decision)

    def check(self) -> None:
        held = [entry for entry in self.entries.values() if entry.state in HELD]
        waiting = [entry for entry in self.entries.values() if entry.state is State.WAITING]
        assert self.pool.in_use == len(held)
        assert self.pool.waiting == len(waiting)
        assert not (self.pool.free and waiting), "a license lies idle while somebody waits"
        assert self.reserved_tickets == sorted(set(self.reserved_tickets)), "I3: not first come, first served"
        last = max(self.reserved_tickets, default=0)
        assert all((entry.ticket or 0) > last for entry in waiting), "I3: somebody was overtaken"


class AllocatorMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.book = Book(2)
        self.model = Model(capacity=2)
        self.generations = dict.fromkeys(USERS, 0)
        self.in_flight: dict[str, Change] = {}
        self.newest: dict[str, Change] = {}
        self.seen: list[Change | ProvisioningOutcome] = []

    def send(self, message: Change | ProvisioningOutcome, expected: list[str]) -> None:
        self.seen.append(message)
        let_out = self.book.give(message)
        assert let_out == expected
        for user in let_out:
            self.in_flight[user] = self.newest[user]

    def want(self, user: str, *, active: bool) -> Change:
        self.generations[user] += 1
        # Whatever was in flight is superseded by the newer command, or goes on while the newer one waits.
        self.newest[user] = change(user, self.generations[user], active=active)
        return self.newest[user]

    @rule(user=some_user)
    def asks(self, user: str) -> None:
        wanted = self.want(user, active=True)
        self.send(wanted, self.model.ask(user))

    @rule(user=some_user)
    def leaves(self, user: str) -> None:
        wanted = self.want(user, active=False)
        self.send(wanted, self.model.leave(user) + self.model.fill())

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), result=st.sampled_from([Result.DONE, Result.ADOPTED, Result.FAILED, Result.RETRY_LATER]))
    def ends(self, data: st.DataObject, result: Result) -> None:
        user = data.draw(st.sampled_from(sorted(self.in_flight)))
        command = self.in_flight.pop(user)
        expected: list[str] = []
        if command is self.newest[user]:
            if result in {Result.DONE, Result.ADOPTED}:
                expected = self.model.succeeded(user, active=command.needs_license)
            elif result is Result.FAILED:
                expected = self.model.refused(user, active=command.needs_license)
        ended = outcome(user, command.generation, result, command.operation)
        if command is self.newest[user] or user not in self.model.held:
            self.send(ended, expected)

    @rule(capacity=st.integers(0, 5))
    def resizes(self, capacity: int) -> None:
        self.model.capacity = capacity
        let_out = self.book.resize(capacity)
        assert let_out == self.model.fill()
        for user in let_out:
            self.in_flight[user] = self.newest[user]

    @rule(without_license=st.booleans())
    def policy_changes(self, without_license: bool) -> None:
        from dataclasses import replace

        policy = WhenExhausted.PROVISION_WITHOUT_LICENSE if without_license else WhenExhausted.WAIT
        self.model.without_license = without_license
        self.book.pool = replace(self.book.pool, when_exhausted=policy)
        let_out = self.book.resize(self.book.pool.capacity)
        assert let_out == self.model.fill()
        for user in let_out:
            self.in_flight[user] = self.newest[user]

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def comes_again(self, data: st.DataObject) -> None:
        """A change that comes again does nothing at all."""
        message = data.draw(st.sampled_from(self.seen))
        if isinstance(message, Change):
            assert self.book.give(message) == []

    @invariant()
    def agrees(self) -> None:
        self.book.check()
        held = {user for user, entry in self.book.entries.items() if entry.state in HELD}
        granted = {user for user, entry in self.book.entries.items() if entry.state is State.GRANTED}
        waiting = sorted(
            (entry for entry in self.book.entries.values() if entry.state is State.WAITING),
            key=lambda entry: entry.ticket or 0,
        )
        assert held == set(self.model.held)
        assert granted == {user for user, confirmed in self.model.held.items() if confirmed}
        assert [entry.object_id for entry in waiting] == list(self.model.line)
        assert self.book.pool.capacity == self.model.capacity


TestAllocatorEqualsModel = AllocatorMachine.TestCase
TestAllocatorEqualsModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

messages = st.one_of(
    st.builds(
        lambda user, generation, active, target: change(
            user, generation, active=active, target_id="t" if target else None
        ),
        some_user,
        st.integers(1, 8),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(
        outcome,
        some_user,
        st.integers(1, 8),
        st.sampled_from(list(Result)),
        st.sampled_from([Operation.CREATE, Operation.UPDATE, Operation.DISABLE, Operation.DELETE]),
    ),
    st.integers(0, 5),
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 4), st.booleans(), st.lists(messages, max_size=60))
def test_i2_i3_hold_for_messages_in_any_order_repeated_or_never_sent(
    capacity: int, without_license: bool, stream: list[Change | ProvisioningOutcome | int]
) -> None:
    book = Book(capacity, without_license=without_license)
    commands: set[tuple[str, int]] = set()
    for message in stream:
        before = book.pool.in_use
        if isinstance(message, int):
            book.resize(message)
        else:
            book.give(message)
        assert book.pool.in_use <= max(before, book.pool.capacity)
        for user in book.let_out:
            sent = (user, book.entries[user].generation)
            assert sent not in commands, "at most one command for one generation"
            commands.add(sent)
        book.check()
