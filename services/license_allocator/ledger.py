"""One batch on the ledger: lock, load, take the decisions in, tell the others, save."""

from collections.abc import Collection

from prometheus_client import Counter

from services.license_allocator import core, store
from services.license_allocator.pool import Decision, Entry, Move, Pool, State
from services.license_allocator.store import Cause, Key
from shared.contracts.changes import Change, Command
from shared.contracts.cloudevents import Envelope
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import LicenseFact, LicenseState, ProvisioningOutcome, Result
from shared.runtime.errors import JobUnknownError
from shared.runtime.transaction import Transaction

_COMMANDS = Counter("seatkeeper_license_commands_total", "Commands let out.", ["decision"])


class Ledger:
    """The pools of one transaction, locked, and the entries that it has to do with."""

    def __init__(self, tx: Transaction, pools: dict[str, Pool], entries: dict[Key, Entry]) -> None:
        self._tx = tx
        self._before = dict(pools)
        self._changed: dict[Key, Entry] = {}
        self._causes: dict[Key, Cause] = {}
        self._moves: list[Move] = []
        self.pools = pools
        self.entries = entries

    @classmethod
    async def open(cls, tx: Transaction, keys: Collection[Key]) -> "Ledger":
        """Lock the pools of these users and load their entries.

        Raises ``JobUnknownError`` for a job without a pool: the batch waits for its definition.
        """
        job_ids = {job_id for job_id, _ in keys}
        pools = await store.lock_pools(tx.connection, job_ids)
        for job_id in job_ids - pools.keys():
            raise JobUnknownError(job_id)
        return cls(tx, pools, await store.load_entries(tx.connection, keys))

    def take(self, key: Key, decision: Decision, cause: Envelope | Cause) -> None:
        """Take a decision in, and put what it says to others into the outbox."""
        self.pools[key[0]] = decision.pool
        if decision.changed and decision.entry is not None:
            self.entries[key] = self._changed[key] = decision.entry
            if decision.entry.state is State.WAITING:
                self._causes[key] = Cause(correlation_id=cause.correlation_id, traceparent=cause.traceparent)
        if decision.move is not None:
            self._moves.append(decision.move)
            if decision.move.announced:
                self._tell(key, decision.move, cause)
        if decision.passage is not None:
            _COMMANDS.labels(decision.passage.license.decision.value).inc()
            command = Command(**decision.passage.change.__dict__, license=decision.passage.license)
            self._emit(command, "command", command.generation, cause)
        if decision.withdrawn is not None:
            self._withdraw(decision.withdrawn, decision.reason, cause)

    async def close(self, most_from_line: int) -> None:
        """Let out those at the head of a line for whom there is a license now, and save everything."""
        tx = self._tx
        places = {
            job_id: min(pool.may_leave_line, most_from_line)
            for job_id, pool in self.pools.items()
            if pool.may_leave_line > 0
        }
        if places:
            await self._save_entries()  # the line is read from the database, so what this batch changed has to be there
            for job_id, heads in (await store.load_heads(tx.connection, places)).items():
                causes = {head.object_id: cause for head, cause in heads}
                for decision in core.back_fill(self.pools[job_id], [head for head, _ in heads]):
                    assert decision.entry is not None
                    object_id = decision.entry.object_id
                    self.take((job_id, object_id), decision, causes[object_id])
        await self._save_entries()
        moved = [pool for job_id, pool in self.pools.items() if pool != self._before[job_id]]
        if moved:
            await store.save_pools(tx.connection, moved)
        await store.append_history(tx.connection, self._moves, tx.now)

    async def _save_entries(self) -> None:
        if self._changed:
            await store.save_entries(self._tx.connection, self._changed, self._causes, self._tx.now)
            self._changed = {}

    def _tell(self, key: Key, move: Move, cause: Envelope | Cause) -> None:
        pool, entry = move.pool, move.entry
        assert entry.ticket is not None
        fact = LicenseFact(
            job_id=key[0],
            object_type=ObjectType.USER,
            object_id=key[1],
            sequence=entry.sequence,
            state=LicenseState(entry.state.value),
            reason=move.reason,
            application_instance=pool.application_instance,
            license_type=pool.license_type,
            ticket=entry.ticket,
            generation=entry.generation,
            capacity=pool.capacity,
            in_use=pool.in_use,
            waiting=pool.waiting,
            at=self._tx.now,
        )
        self._emit(fact, "license", entry.sequence, cause)

    def _withdraw(self, change: Change, reason: str, cause: Envelope | Cause) -> None:
        outcome = ProvisioningOutcome(
            job_id=change.job_id,
            object_type=change.object_type,
            object_id=change.object_id,
            sequence=change.generation,
            generation=change.generation,
            operation=change.operation,
            result=Result.WITHDRAWN,
            reason=reason,
            attempt=change.attempt,
            cycle_id=change.cycle_id,
            at=self._tx.now,
        )
        self._emit(outcome, "withdrawn", change.generation, cause)

    def _emit(
        self, message: Command | LicenseFact | ProvisioningOutcome, kind: str, number: int, cause: Envelope | Cause
    ) -> None:
        event_id = derived_id(kind, message.job_id, message.object_id, number)
        if isinstance(cause, Cause):
            cause = Envelope(
                id=event_id,
                source="/seatkeeper/license-allocator",
                type=message.type,
                subject=message.key,
                time=self._tx.now,
                sequence=number,
                correlation_id=cause.correlation_id,
                traceparent=cause.traceparent,
            )
        self._tx.emit(message, event_id=event_id, cause=cause)
