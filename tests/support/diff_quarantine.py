"""What the writer says of the credentials of a job."""

from dataclasses import replace
from typing import Any

from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import JOB_OBJECT
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ConditionState, JobCondition
from shared.runtime.transaction import Received
from tests.support.builders_diff import AT, JOB, received


def refused(sequence: int, *, over: bool = False) -> JobCondition:
    """The target refuses the secret token, or accepts it again."""
    return JobCondition(
        job_id=JOB,
        object_type=ObjectType.JOB,
        object_id=JOB_OBJECT,
        sequence=sequence,
        condition="targetCredentials",
        state=ConditionState.CLEARED if over else ConditionState.RAISED,
        failure=None if over else failure(Code.UNAUTHORIZED, "the target answered 401", http_status=401),
        at=AT,
    )


def of_writer(condition: JobCondition, *, event: str | None = None) -> Received[Any]:
    """The condition as it comes from the writer."""
    item = received(condition, event=event)
    return replace(item, envelope=replace(item.envelope, source="/seatkeeper/scim-writer"))
