"""One user on demand: ``provisionOnDemand`` with the body of Microsoft Graph or a plain one, and an answer in plain nested JSON."""

import time
from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.console import audit
from services.console.api.access import frame_of
from services.console.api.bodies import LONGEST_REASON, IdempotencyKey, JobId, Reason
from services.console.api.jobs import AnOperator, Viewer
from services.console.api.problems import FieldError, Json, ProblemError, invalid
from services.console.on_demand import asking
from services.console.on_demand.answering import MOST_IN_WINDOW, WINDOW_SECONDS, Demand, answer, finished
from services.console.on_demand.asking import DemandNotFoundError, TooManyRequestsError
from services.console.settings import ConsoleSettings
from shared.runtime.frame import Frame

router = APIRouter(prefix="/jobs/{job}/provisionOnDemand", tags=["provisionOnDemand"])

LOOK_SECONDS: Final = 0.1
RequestId = Annotated[str, Path(alias="request", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
Wait = Annotated[float | None, Query(ge=0, le=300)]


class _Body(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", hide_input_in_errors=True, frozen=True, str_strip_whitespace=True
    )


class Subject(_Body):
    """One object (Microsoft Graph, ``synchronizationJobSubject``)."""

    object_id: Annotated[str, Field(min_length=1, max_length=320)]
    object_type_name: str = "User"
    links: dict[str, Any] | None = None


class Parameter(_Body):
    """Objects for one rule (Microsoft Graph, ``synchronizationJobApplicationParameters``); there is one rule, its id is not looked at."""

    rule_id: str | None = None
    subjects: Annotated[tuple[Subject, ...], Field(min_length=1)]


class OnDemand(_Body):
    """Who is to be provisioned: ``parameters`` as in Microsoft Graph, or ``user`` (object id, userPrincipalName or mail address)."""

    parameters: tuple[Parameter, ...] = ()
    user: Annotated[str | None, Field(min_length=1, max_length=320)] = None
    reason: Annotated[str, Field(max_length=LONGEST_REASON)] = ""


@router.post("")
async def provision_on_demand(
    request: Request,
    job: JobId,
    operator: AnOperator,
    wanted: OnDemand,
    *,
    wait: Wait = None,
    key: IdempotencyKey = None,
    reason: Reason = "",
) -> Response:
    """Provision one user now, through the whole pipeline, and return each step. 202 with ``Location`` when it takes longer than ``wait``
    seconds; 429 above five requests in ten seconds for a job.
    """
    user, key = _user(wanted), key or str(uuid4())
    frame = frame_of(request)
    why = (wanted.reason or reason).replace("\x00", "\ufffd")
    try:
        async with frame.transaction() as tx:
            await asking.ask(tx, audit.Request(operator=operator, reason=why), job, user, key)
    except TooManyRequestsError as error:
        raise ProblemError(
            429,
            "Too many users on demand",
            f"A job takes {MOST_IN_WINDOW} in {WINDOW_SECONDS:g} seconds. Try again in {error.seconds} seconds.",
            headers={"Retry-After": str(error.seconds)},
        ) from None
    assert isinstance(frame.settings, ConsoleSettings)
    longest = frame.settings.console_on_demand_seconds if wait is None else wait
    return _response(job, await _followed(frame, job, key, longest))


@router.get("/{request}")
async def get_demand(request: Request, job: JobId, request_id: RequestId, _: Viewer, wait: Wait = 0) -> Response:
    """Return how far a user on demand is, waiting up to ``wait`` seconds for the end."""
    return _response(job, await _followed(frame_of(request), job, request_id, wait or 0))


async def _followed(frame: Frame, job: str, request_id: str, seconds: float) -> Demand:
    until = time.monotonic() + seconds
    while True:
        async with frame.connection() as connection:
            try:
                demand = await asking.load(connection, job, request_id)
            except DemandNotFoundError:
                raise ProblemError(
                    404,
                    "No such request",
                    "The job has no such request for a user on demand, or it is older than a day.",
                ) from None
        if finished(demand) or time.monotonic() >= until or await frame.pause(LOOK_SECONDS):
            return demand


def _response(job: str, demand: Demand) -> Response:
    shown = answer(demand)
    headers = {"Location": f"/api/v1/jobs/{job}/provisionOnDemand/{demand.request_id}"}
    return Json(shown, status_code=200 if shown["result"] is not None else 202, headers=headers)


def _user(wanted: OnDemand) -> str:
    subjects = [subject for parameter in wanted.parameters for subject in parameter.subjects]
    if (wanted.user is None) is (not subjects):
        raise invalid([FieldError(field="user", message="say who, either by user or by parameters")])
    for number, subject in enumerate(subjects):
        field = f"parameters.subjects.{number}"
        if number:
            raise invalid([FieldError(field=field, message="is one too many: one user at a time")])
        if subject.object_type_name.casefold() != "user":
            raise invalid(
                [FieldError(field=f"{field}.objectTypeName", message="must be User: groups follow in the cycles")]
            )
    user = wanted.user or subjects[0].object_id
    if not user.isprintable():
        raise invalid([FieldError(field="user", message="holds a character that cannot be shown")])
    return user
