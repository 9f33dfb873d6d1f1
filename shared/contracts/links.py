"""What diff says of the links between directory objects and accounts at the target (object connections)."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from shared.contracts.message import Message


class LinkState(StrEnum):
    """What became of a link that an operator asked about."""

    DELETED = "deleted"
    REPAIRED = "repaired"
    UNCHANGED = "unchanged"
    """There was nothing to do: no link, or it points there already; the reason says which."""


class LinkFact(Message):
    """A link was deleted or pointed at another account on request, or was found to need no change.

    ``sequence`` is the generation that the decision took, so that it stands in order with the outcomes of changes; ``target_id`` is where
    the link points now (none: nowhere). ``request_id`` is the idempotency key of the request.
    """

    topic: ClassVar[str] = "provisioning.outcomes.v1"
    type: ClassVar[str] = "seatkeeper.link.fact.v1"

    state: LinkState
    reason: str
    generation: int
    target_id: str | None = None
    previous_target_id: str | None = None
    request_id: str
    requested_by: str
    request_reason: str
    at: datetime
