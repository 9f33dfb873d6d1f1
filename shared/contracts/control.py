"""control.jobs.v1 (job definitions) and control.requests.v1 (what operators asked for)."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from shared.contracts.job import JobDefinition
from shared.contracts.message import Message


class ScheduleState(StrEnum):
    """Whether cycles run (Microsoft Graph, ``synchronizationSchedule`` resource type)."""

    ACTIVE = "Active"
    PAUSED = "Paused"
    DISABLED = "Disabled"


class ResetScope(StrEnum):
    """What a restart forgets (Microsoft Graph, ``synchronizationJobRestartCriteria``). ``Full`` and an empty scope are combinations."""

    WATERMARK = "Watermark"
    ESCROWS = "Escrows"
    QUARANTINE_STATE = "QuarantineState"
    CONNECTOR_DATA_STORE = "ConnectorDataStore"
    FORCE_DELETES = "ForceDeletes"


class JobRecord(Message):
    """The whole definition of one job. ``secrets`` maps the name of a credential to its ciphertext; ``sequence`` is the version.

    Each increase of ``restarts`` asks for a new initial cycle ("Restart provisioning" in Entra): the watermarks are forgotten.
    ``resets`` counts, for every other scope of a restart, how often it was asked for: state, so that a late reader misses none.
    ``synchronization_schema`` is the document that an administrator saved; without one the default of the template holds.
    ``schema_version`` rises with each save or restore.
    """

    topic: ClassVar[str] = "control.jobs.v1"
    type: ClassVar[str] = "seatkeeper.control.job.v1"

    definition: JobDefinition
    schedule: ScheduleState
    secrets: dict[str, str] = Field(default_factory=dict)
    restarts: int = 0
    resets: dict[ResetScope, int] = Field(default_factory=dict)
    synchronization_schema: dict[str, Any] | None = None
    schema_version: int = 0
    deleted: bool = False
    changed_at: datetime


class RequestKind(StrEnum):
    """What an operator can ask for."""

    START = "start"
    PAUSE = "pause"
    RETRY = "retry"
    RESIZE_POOL = "resizePool"
    APPROVE_HOLD = "approveHold"
    REJECT_HOLD = "rejectHold"
    DELETE_LINK = "deleteLink"
    REPAIR_LINK = "repairLink"
    COMPARE_LINKS = "compareLinks"
    PROVISION_ON_DEMAND = "provisionOnDemand"


class OperatorRequest(Message):
    """Something that an operator asked for, with the reason given; ``idempotency_key`` makes a repeat harmless.

    ``hold_id`` names the hold that is approved or rejected; its object is the hold (``objectType`` hold, ``objectId`` the hold id).
    ``target_id`` is the account at the target that a repaired link is to point at. Links and users on demand are named by their object;
    ``compareLinks`` about the job means all of its links. ``user`` is how the operator named a user on demand: object id,
    userPrincipalName or mail address.
    """

    topic: ClassVar[str] = "control.requests.v1"
    type: ClassVar[str] = "seatkeeper.control.request.v1"

    kind: RequestKind
    reason: str = ""
    idempotency_key: str
    capacity: int | None = None
    hold_id: str | None = None
    target_id: str | None = None
    user: str | None = None
    requested_by: str
    at: datetime
