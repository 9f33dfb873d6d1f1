"""provisioning.outcomes.v1: what became of changes, licenses, cycles and jobs."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from shared.contracts.assignments import CycleKind
from shared.contracts.changes import License, ModifiedAttribute, Operation
from shared.contracts.message import Message, Part


class Result(StrEnum):
    """What became of a change.

    ``done``, ``adopted``, ``retryLater``, ``failed`` and ``stop`` are the outcomes of a write. ``superseded``: a newer
    generation took its place before it was executed. ``skipped``: diff decided that nothing is to be written.
    ``withdrawn``: it left the waiting line before anything was written.
    """

    DONE = "done"
    ADOPTED = "adopted"
    RETRY_LATER = "retryLater"
    FAILED = "failed"
    STOP = "stop"
    SUPERSEDED = "superseded"
    SKIPPED = "skipped"
    WITHDRAWN = "withdrawn"


class StepType(StrEnum):
    """Kinds of steps (Microsoft Graph, ``provisioningStep`` resource type)."""

    IMPORT = "import"
    SCOPING = "scoping"
    MATCHING = "matching"
    PROCESSING = "processing"
    EXPORT = "export"


class StepStatus(StrEnum):
    """How a step ended (Microsoft Graph, ``provisioningResult``)."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


class Step(Part):
    """One explained step on the way to an outcome; the description names attributes and codes, never values."""

    name: str
    type: StepType
    status: StepStatus
    description: str
    duration_ms: int | None = None


class Failure(Part):
    """Why it failed: a code of ``shared.contracts.failure_codes``, the status that the target answered, and what to do."""

    code: str
    message: str
    advice: str
    http_status: int | None = None


class ProvisioningOutcome(Message):
    """What became of one change. ``resource`` is what the target now holds as far as it was confirmed, by SCIM attribute path.

    The values of ``redacted`` paths in it are for diff alone: whoever shows it, or keeps it for people, puts ``redact`` of them in their
    place. In ``modified`` that is done already.

    ``refused_members``: members of this change that the target does not take, each tried by itself or left out when too many were refused.
    Every other member of a change that is ``done`` is written, so one member that is wrong never holds up the rest. Only when
    the target took none of them is the change ``failed``.
    """

    topic: ClassVar[str] = "provisioning.outcomes.v1"
    type: ClassVar[str] = "seatkeeper.provisioning.outcome.v1"

    generation: int
    operation: Operation
    result: Result
    reason: str = ""
    reasons: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    modified: tuple[ModifiedAttribute, ...] = ()
    resource: dict[str, Any] | None = None
    redacted: tuple[str, ...] = ()
    target_id: str | None = None
    refused_members: tuple[str, ...] = ()
    failure: Failure | None = None
    attempt: int = 1
    retry_at: datetime | None = None
    license: License | None = None
    cycle_id: str | None = None
    duration_ms: int = 0
    at: datetime


class LicenseState(StrEnum):
    """Where one user stands in the license ledger."""

    WAITING = "waiting"
    RESERVED = "reserved"
    GRANTED = "granted"
    RELEASED = "released"


class LicenseFact(Message):
    """A license moved: the user's new state in the ledger and the numbers of the pool right after it.

    Told are the steps that no other message tells: waiting, reserved from the waiting line, released. A license reserved at once is told by
    its command, a license granted by the successful outcome of that command.
    """

    topic: ClassVar[str] = "provisioning.outcomes.v1"
    type: ClassVar[str] = "seatkeeper.license.fact.v1"

    state: LicenseState
    reason: str
    application_instance: str
    license_type: str
    ticket: int
    generation: int
    capacity: int
    in_use: int
    waiting: int
    at: datetime


class CyclePhase(StrEnum):
    """How far a cycle is."""

    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"


class CycleFact(Message):
    """A cycle of the assignment-watcher started, completed or failed; ``objects`` is how many objects it emitted."""

    topic: ClassVar[str] = "provisioning.outcomes.v1"
    type: ClassVar[str] = "seatkeeper.cycle.fact.v1"

    cycle_id: str
    cycle_kind: CycleKind
    phase: CyclePhase
    objects: int = 0
    started_at: datetime
    ended_at: datetime | None = None
    failure: Failure | None = None


class ConditionState(StrEnum):
    """A condition of a job is raised or cleared."""

    RAISED = "raised"
    CLEARED = "cleared"


class JobCondition(Message):
    """Something about the whole of a job is wrong (or right again): credentials refused, target or source unreachable."""

    topic: ClassVar[str] = "provisioning.outcomes.v1"
    type: ClassVar[str] = "seatkeeper.job.condition.v1"

    condition: str
    state: ConditionState
    failure: Failure | None = None
    at: datetime
