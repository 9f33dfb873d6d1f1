"""The flow of an object's newest assignment as a cause: a timer has no message of its own."""

from datetime import datetime

from services.diff.store import Flow
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.cloudevents import Envelope
from shared.contracts.ids import derived_id

SOURCE = "/seatkeeper/diff"


def envelope_of(assignment: DirectoryAssignment, flow: Flow, at: datetime) -> Envelope:
    """Return an envelope that stands for the assignment, with the correlation id and the trace it came with."""
    return Envelope(
        id=derived_id("assignment", assignment.job_id, assignment.object_id, assignment.sequence),
        source=SOURCE,
        type=assignment.type,
        subject=assignment.key,
        time=at,
        sequence=assignment.sequence,
        correlation_id=flow.correlation_id,
        traceparent=flow.traceparent,
    )
