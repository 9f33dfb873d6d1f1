"""What the answers about a source and its holds look like: for the OpenAPI document, and for the tests that hold the answers to it."""

from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.console.holds import Decision
from shared.contracts.source import Guard, HoldReason, HoldState, StreamPhase


class Shape(BaseModel):
    """A JSON object with these members and no others; none of them is ever left out."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Stream(Shape):
    """One stream of a source. Ages are whole seconds; a link dies of age, and then the stream is read anew."""

    stream: str
    phase: StreamPhase
    generation: int
    rounds: int
    pages: int
    records: int
    link_issued_at: AwareDatetime | None
    link_age_seconds: int | None
    last_round_at: AwareDatetime | None
    last_round_age_seconds: int | None
    resync_started_at: AwareDatetime | None
    resync_reason: str | None


class Progress(Shape):
    """How far the initial cycle is; null where it cannot be estimated yet."""

    users_read: int
    expected: int | None
    percent: int | None
    seconds_left: int | None
    started_at: AwareDatetime
    running_seconds: int


class Ignored(Shape):
    """How many do not count, and why in words."""

    reason: str
    count: int
    description: str


class Requests(Shape):
    """Requests to the source in the last cycle."""

    by_kind: dict[str, int]
    total: int
    throttled: int
    waited_seconds: float


class Source(Shape):
    """The state of a job's source; ``read`` is false before the first report, and ``message`` says why it is not read, when it is not."""

    kind: str
    read: bool
    message: str | None
    streams: list[Stream]
    progress: Progress | None
    assigned: int
    assigned_groups: int
    suspects: int
    held_removals: int
    unknown_references: int
    ignored: list[Ignored]
    requests: Requests
    drift_total: int
    at: AwareDatetime | None
    age_seconds: int | None


class Requested(Shape):
    """What an operator asked for and the guard has not answered yet."""

    decision: Decision
    by: str
    reason: str
    at: AwareDatetime


class Hold(Shape):
    """Removals of one cycle that are held: ``removals`` of ``active`` objects: assigned (source guard) or managed (deletion guard).

    ``object_ids`` names at most 1,000 of them; the source guard names none.
    """

    id: str
    state: HoldState
    reason: HoldReason
    description: str
    guard: Guard
    removals: int
    object_ids: list[str]
    active: int
    detail: str
    held_at: AwareDatetime
    requested: Requested | None
    decided_by: str | None
    decision_reason: str | None
    changed_at: AwareDatetime


class Holds(Shape):
    """A page of holds."""

    value: list[Hold]
    next_cursor: str | None


class FieldProblem(Shape):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(Shape):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = Field(default_factory=list)


PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": text, "content": {"application/problem+json": {"schema": Problem.model_json_schema()}}}
    for status, text in {
        404: "There is no such job, or it has no such hold.",
        409: "The hold is no longer held, or the other decision was asked for already; the detail says which.",
        422: "A field cannot be taken; it is named.",
    }.items()
}
