"""The synchronization schema of a job: read, saved, restored; functions, operators, and a tester for expressions, named as in Graph."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.console import audit, job_definitions, job_schemas, previews
from services.console.api.access import frame_of
from services.console.api.bodies import ByPreview, JobId, Reason
from services.console.api.jobs import Admin, Viewer
from services.console.api.problems import FieldError, Json, invalid, of_finding, shown_error
from shared.schema.expressions import FUNCTIONS
from shared.schema.expressions.lexer import LONGEST_EXPRESSION
from shared.schema.filter_operators import operator_schemas
from shared.schema.findings import Finding
from shared.schema.trying import try_expression

router = APIRouter(prefix="/jobs/{job}/schema", tags=["schema"])

Version = Annotated[int, Path(ge=0, le=2_147_483_647)]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=40)]
ValidateOnly = Annotated[bool, Query(alias="validateOnly")]
_ETAG: Final = re.compile(r'(?:W/)?"([0-9]{1,9})"')


class TestProperty(BaseModel):
    """One attribute of the object to test with, by its name in the source."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, frozen=True)
    key: Annotated[str, Field(min_length=1, max_length=400)]
    value: Any = None


class TestObject(BaseModel):
    """The object to test with (Graph ``expressionInputObject``)."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, frozen=True)
    properties: Annotated[tuple[TestProperty, ...], Field(max_length=500)] = ()


class ExpressionToTry(BaseModel):
    """An expression and the object to test it with."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, extra="ignore", hide_input_in_errors=True, frozen=True
    )
    expression: Annotated[str, Field(max_length=LONGEST_EXPRESSION)]
    test_input_object: TestObject | None = None


@router.get("")
async def get_schema(request: Request, job: JobId, _: Viewer) -> Response:
    """Return the schema in force, in the shape of Graph; the ETag is its version, 0 for the default of the template."""
    async with frame_of(request).connection() as connection:
        stored = await job_definitions.load_job(connection, job)
        version = await job_schemas.newest(connection, job)
    return _schema(version, stored.definition.template)


@router.put("")
async def save_schema(
    request: Request,
    job: JobId,
    document: dict[str, Any],
    operator: Admin,
    *,
    reason: Reason = "",
    if_match: IfMatch = None,
    validate_only: ValidateOnly = False,
    by_preview: ByPreview = None,
) -> Response:
    """Save a schema; an export of Entra is taken as it is. A new initial cycle follows. With ``validateOnly`` it is only looked through.

    Everything that cannot be done is an error with its place in the document; what is probably not meant stands in ``warnings``. With
    ``preview``, the id of one whose plan was looked at, anything else than what was previewed is refused.
    """
    frame = frame_of(request)
    if validate_only:
        async with frame.connection() as connection:
            stored = await job_definitions.load_job(connection, job)
            known = await job_schemas.newest(connection, job)
        accepted = await asyncio.to_thread(job_schemas.accept, document, stored.definition.template)
        return _saved(known.number, accepted.warnings)
    async with frame.transaction() as tx:
        who = audit.Request(operator=operator, reason=reason)
        shown = await previews.shown(tx, frame, job, by_preview)
        saved, warnings = await job_schemas.save(tx, who, job, document, expected=_expected(if_match), shown=shown)
    return _saved(saved.number, warnings)


@router.delete("")
async def restore_default(
    request: Request,
    job: JobId,
    operator: Admin,
    *,
    reason: Reason = "",
    if_match: IfMatch = None,
    by_preview: ByPreview = None,
) -> Response:
    """Put the default of the template in force again. A new initial cycle follows."""
    who = audit.Request(operator=operator, reason=reason)
    return await _restore(request, who, job, job_schemas.TEMPLATE_DEFAULT, if_match=if_match, by_preview=by_preview)


@router.get("/versions")
async def list_versions(request: Request, job: JobId, _: Viewer) -> Response:
    """Return every version of the schema, the one in force first."""
    async with frame_of(request).connection() as connection:
        await job_definitions.load_job(connection, job)
        return Json({"value": await job_schemas.versions(connection, job)})


@router.get("/versions/{version}")
async def get_version(request: Request, job: JobId, version: Version, _: Viewer) -> Response:
    """Return one version of the schema; 0 is the default of the template."""
    async with frame_of(request).connection() as connection:
        stored = await job_definitions.load_job(connection, job)
        found = await job_schemas.find(connection, job, version)
    return _schema(found, stored.definition.template)


@router.post("/versions/{version}/restore")
async def restore_version(
    request: Request,
    job: JobId,
    version: Version,
    operator: Admin,
    *,
    reason: Reason = "",
    if_match: IfMatch = None,
    by_preview: ByPreview = None,
) -> Response:
    """Put an earlier version in force, as a new one. A new initial cycle follows."""
    who = audit.Request(operator=operator, reason=reason)
    return await _restore(request, who, job, version, if_match=if_match, by_preview=by_preview)


async def _restore(
    request: Request, who: audit.Request, job: str, version: int, *, if_match: str | None, by_preview: str | None
) -> Response:
    frame = frame_of(request)
    async with frame.transaction() as tx:
        shown = await previews.shown(tx, frame, job, by_preview)
        saved = await job_schemas.restore(tx, who, job, version, expected=_expected(if_match), shown=shown)
    return _saved(saved.number, ())


@router.get("/functions")
async def list_functions(request: Request, job: JobId, _: Viewer) -> Response:
    """Return the functions of the expression language with their parameters."""
    await _exists(request, job)
    return Json({"value": [function.metadata() for function in FUNCTIONS.values()]})


@router.get("/filterOperators")
async def list_operators(request: Request, job: JobId, _: Viewer) -> Response:
    """Return the operators of scoping filters."""
    await _exists(request, job)
    return Json({"value": operator_schemas()})


@router.post("/parseExpression")
async def parse_expression(request: Request, job: JobId, body: ExpressionToTry, _: Viewer) -> Response:
    """Parse an expression and, with an object to test it with, evaluate it. Nothing is kept of either."""
    await _exists(request, job)
    record = {item.key: item.value for item in body.test_input_object.properties} if body.test_input_object else None
    return Json(await asyncio.to_thread(try_expression, body.expression, record, datetime.now(UTC)))


async def _exists(request: Request, job: str) -> None:
    async with frame_of(request).connection() as connection:
        await job_definitions.load_job(connection, job)


def _schema(version: job_schemas.SchemaVersion, template: str) -> Response:
    return Json(version.schema(template).document(), headers=_etag(version.number))


def _saved(number: int, warnings: Sequence[Finding]) -> Response:
    shown: Mapping[str, Any] = {
        "schemaVersion": number,
        "warnings": [shown_error(of_finding(finding)) for finding in warnings],
    }
    return Json(shown, headers=_etag(number))


def _etag(number: int) -> dict[str, str]:
    return {"ETag": f'"{number}"'}


def _expected(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise invalid([FieldError(field="If-Match", message='must be the ETag of a schema, such as "3"')])
    return int(found.group(1))
