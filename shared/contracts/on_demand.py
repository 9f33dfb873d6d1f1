"""What watcher and diff say while one user is provisioned on demand (Entra, "On-demand provisioning")."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from shared.contracts.message import Message
from shared.contracts.outcomes import Failure, Step


class DemandStage(StrEnum):
    """Who says so: the source was read, or the decision was taken."""

    SOURCE = "source"
    DECISION = "decision"


class DemandStep(Step):
    """A step with what an operator wants to see of it: attributes as they were read, conditions, matching values."""

    details: dict[str, Any] = Field(default_factory=dict)


class DemandResult(StrEnum):
    """How it ended (Microsoft Graph, ``stringKeyStringValuePair`` of ``provisionOnDemand``)."""

    SUCCESS = "Success"
    SKIPPED = "Skipped"
    FAILURE = "Failure"


class DemandFact(Message):
    """One stage of a user provisioned on demand.

    ``result`` is set when it ended here; without one it goes on: from the source to the decision, from there to the outcome of the change
    of ``generation``. ``request_id`` is the idempotency key of the request; everything that follows from it has the correlation id of the
    request. Holds values of the user, as assignments and changes do.
    """

    topic: ClassVar[str] = "provisioning.outcomes.v1"
    type: ClassVar[str] = "seatkeeper.demand.fact.v1"

    request_id: str
    stage: DemandStage
    steps: tuple[DemandStep, ...] = ()
    result: DemandResult | None = None
    action: str = "other"
    reason: str = ""
    generation: int = 0
    failure: Failure | None = None
    at: datetime
