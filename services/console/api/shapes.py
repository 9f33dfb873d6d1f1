"""What the answers about a source and its holds look like: for the OpenAPI document, and for the tests that hold the answers to it."""

from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.console.holds import Decision
from services.console.preview_view import Change
from shared.contracts.message import ObjectType
from shared.contracts.preview import PlannedAction, PreviewState
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


class Removals(Shape):
    """Accounts and groups that would be disabled or deleted: ``counted`` of ``managed`` by the deletion guard, ``held`` of them.

    Others ``waiting`` already are not counted again.
    """

    counted: int
    managed: int
    held: int
    held_because: str | None
    waiting: int


class Plan(Shape):
    """A plan in numbers: of each action, and how many objects each attribute would be written to.

    ``errors``: objects with an attribute that cannot be made; ``in_flight``: whose change is under way; ``unread``: source attributes that
    are not read yet, and are taken for empty.
    """

    empty: bool
    users: dict[PlannedAction, int]
    groups: dict[PlannedAction, int]
    attributes: dict[str, int]
    removals: Removals
    errors: int
    in_flight: int
    unread: dict[str, list[str]]


class Preview(Shape):
    """A preview: ``plan`` is there when its state is ``done``; a change can be saved by it until ``expires_at``."""

    id: str
    state: Literal["requested"] | PreviewState
    job_version: int
    changes: list[Change]
    requested_by: str
    reason: str
    requested_at: AwareDatetime
    looked_at: int
    expected: int
    percent: int | None
    plan: Plan | None
    rows: int
    digest: str | None
    as_of: AwareDatetime | None
    expires_at: AwareDatetime | None
    seconds: float | None
    detail: str | None


class Previews(Shape):
    """A page of previews."""

    value: list[Preview]
    next_cursor: str | None


class PlannedAttribute(Shape):
    """A value that would be written, and what the target was confirmed to hold."""

    path: str
    before: Any
    after: Any


class PreviewRow(Shape):
    """What would be done about one user or group; ``held``: it would wait for an approval."""

    object_type: ObjectType
    object_id: str
    name: str | None
    action: PlannedAction
    held: bool
    reason: str
    reasons: list[str]
    code: str | None
    attributes: list[PlannedAttribute]


class PreviewRows(Shape):
    """A page of rows."""

    value: list[PreviewRow]
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


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/problem+json": {"schema": Problem.model_json_schema()}}}


PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: _problem(text)
    for status, text in {
        404: "There is no such job, or it has no such hold.",
        409: "The hold is no longer held, or the other decision was asked for already; the detail says which.",
        422: "A field cannot be taken; it is named.",
    }.items()
}
NO_PREVIEW: Final[dict[int | str, dict[str, Any]]] = {404: _problem("There is no such job, or it has no such preview.")}
NOT_PREVIEWED: Final[dict[int | str, dict[str, Any]]] = {
    404: _problem("There is no such job."),
    422: _problem("The schema or the job cannot be so; every place is named."),
}
