"""The messages of a cycle, with ids derived from what they say: a cycle that is repeated after a crash says the same again."""

from datetime import datetime
from uuid import UUID

from services.assignment_watcher.core import State
from shared.contracts.assignments import CycleKind, CycleMark, DirectoryAssignment
from shared.contracts.cloudevents import Envelope
from shared.contracts.ids import CYCLE_OBJECT, JOB_OBJECT, derived_id
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ConditionState, CycleFact, CyclePhase, Failure, JobCondition
from shared.contracts.topics import ASSIGNMENTS
from shared.runtime.transaction import Transaction


def cycle_id(job_id: str, number: int) -> str:
    """Return the id of the cycle that starts from round ``number`` of a job."""
    return str(derived_id("cycle", job_id, number))


class CycleMessages:
    """Emits the messages of one cycle into a transaction."""

    def __init__(
        self, job_id: str, number: int, kind: CycleKind, started_at: datetime, *, schema_version: int = 0
    ) -> None:
        self.job_id = job_id
        self.number = number
        self.kind = kind
        self.started_at = started_at
        self.schema_version = schema_version
        self.cycle_id = cycle_id(job_id, number)

    def assignment(
        self,
        tx: Transaction,
        object_type: ObjectType,
        object_id: str,
        version: int,
        state: State,
        *,
        request_id: str | None = None,
        cause: Envelope | None = None,
    ) -> None:
        """Say the whole current state of one object; with ``request_id`` because an operator asked for it, in the flow of ``cause``."""
        message = DirectoryAssignment(
            job_id=self.job_id,
            object_type=object_type,
            object_id=object_id,
            sequence=version,
            cycle_id=self.cycle_id,
            cycle_kind=self.kind,
            assigned=state.assigned,
            # Mappings, which pydantic checks in one go: a tenant has ten times as many paths as users.
            paths=[path._asdict() for path in state.paths],
            roles=state.roles,
            lifecycle=state.lifecycle,
            attributes=state.attributes,
            assigned_at=state.assigned_at,
            request_id=request_id,
            observed_at=self.started_at,
        )
        tx.emit(message, event_id=derived_id("assignment", self.job_id, object_id, version), cause=cause)

    def marks(self, tx: Transaction, objects: int) -> None:
        """Close the cycle on every partition: everything that it found stands before the mark there."""
        for partition in range(ASSIGNMENTS.partitions):
            mark = CycleMark(
                job_id=self.job_id,
                object_type=ObjectType.CYCLE,
                object_id=CYCLE_OBJECT,
                sequence=self.number,
                cycle_id=self.cycle_id,
                cycle_kind=self.kind,
                partition=partition,
                partitions=ASSIGNMENTS.partitions,
                objects=objects,
                schema_version=self.schema_version,
                started_at=self.started_at,
                ended_at=tx.now,
            )
            tx.emit(mark, event_id=derived_id("cycle-mark", self.cycle_id, partition), partition=partition)

    def fact(self, tx: Transaction, phase: CyclePhase, *, objects: int = 0, failure: Failure | None = None) -> None:
        """Say how far the cycle is."""
        started = phase is CyclePhase.STARTED
        fact = CycleFact(
            job_id=self.job_id,
            object_type=ObjectType.CYCLE,
            object_id=CYCLE_OBJECT,
            sequence=2 * self.number + (0 if started else 1),
            cycle_id=self.cycle_id,
            cycle_kind=self.kind,
            phase=phase,
            objects=objects,
            started_at=self.started_at,
            ended_at=None if started else tx.now,
            failure=failure,
        )
        tx.emit(fact, event_id=self._event_id(phase))

    def _event_id(self, phase: CyclePhase) -> UUID:
        return derived_id("cycle-fact", self.cycle_id, phase)


def condition(
    tx: Transaction, job_id: str, name: str, *, sequence: int, state: ConditionState, failure: Failure | None = None
) -> None:
    """Say that something about the whole of a job is wrong, or right again."""
    message = JobCondition(
        job_id=job_id,
        object_type=ObjectType.JOB,
        object_id=JOB_OBJECT,
        sequence=sequence,
        condition=name,
        state=state,
        failure=failure,
        at=tx.now,
    )
    tx.emit(message, event_id=derived_id("condition", job_id, name, sequence))
