"""Problem details (RFC 9457): what happened and what to do; of input only the names of fields, never a value."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from fastapi import Response

from shared.contracts.job import field_path
from shared.schema.findings import Finding, SchemaRefusedError, Severity

_SHOWN_FIELD: Final = re.compile(r"^[A-Za-z$][A-Za-z0-9_$.-]{0,120}$")
_PLACES: Final = frozenset({"body", "query", "path", "header"})
_WORDS: Final = {
    "extra_forbidden": "is not known here; check the spelling or leave it out",
    "missing": "is required",
    "json_invalid": "is not JSON",
    "unknown_source": "must be microsoft-graph or snapshot",
}


class Json(Response):
    """A JSON response by orjson, with times in UTC."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return orjson.dumps(content, option=orjson.OPT_UTC_Z)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """What is wrong with one field, named by its camelCase path."""

    field: str
    message: str
    code: str | None = None
    position: int | None = None
    remedy: str | None = None


class ProblemError(Exception):
    """An answer that is an error: it becomes problem details."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def invalid(
    errors: Iterable[FieldError], detail: str = "Nothing was changed. Correct the fields named in errors."
) -> ProblemError:
    """Return the problem of a request whose fields cannot be taken (422)."""
    return ProblemError(422, "The request is not valid", detail, errors=tuple(errors))


def problem_body(error: ProblemError) -> dict[str, Any]:
    """Return the members of problem details."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
    }
    if error.errors:
        body["errors"] = [shown_error(item) for item in error.errors]
    return body


def shown_error(item: FieldError) -> dict[str, Any]:
    """Return one error as problem details name it; code, position and remedy only where there are any."""
    shown = {"field": item.field, "message": item.message}
    more = {"code": item.code, "position": item.position, "remedy": item.remedy}
    return shown | {name: value for name, value in more.items() if value is not None}


def of_finding(finding: Finding) -> FieldError:
    """Return what a check of a schema found as the error of a field, by its place in the document."""
    return FieldError(
        field=finding.path or "body",
        message=str(finding),
        code=finding.code,
        position=finding.position,
        remedy=finding.remedy,
    )


def schema_refused(error: SchemaRefusedError) -> ProblemError:
    """Return the problem of a schema that cannot be used: every error of it, and no warning."""
    wrong = [of_finding(item) for item in error.findings if item.severity is Severity.ERROR]
    return invalid(wrong, "Nothing was changed. Correct the places of the schema that are named in errors.")


def problem_response(error: ProblemError) -> Response:
    """Return the response of a problem."""
    return Json(
        problem_body(error), status_code=error.status, headers=error.headers, media_type="application/problem+json"
    )


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Return pydantic's errors with the field named as the client wrote it; never with what the client sent."""
    return [FieldError(field=_field(_place(item)), message=_message(item)) for item in errors]


def _place(item: Mapping[str, Any]) -> Sequence[str | int]:
    """Return where the error is; an unknown kind of source is one of the key ``kind``, which pydantic does not say."""
    place: Sequence[str | int] = item["loc"]
    return (*place, "kind") if item["type"] == "unknown_source" and isinstance(item.get("input"), Mapping) else place


def _field(location: Sequence[str | int]) -> str:
    name = field_path(tuple(location[1:] if location and location[0] in _PLACES else location))
    if not name or name.isdigit():  # the place in a body that is not JSON
        return "body"
    return name if _SHOWN_FIELD.match(name) else "a key that cannot be shown"


def _message(item: Mapping[str, Any]) -> str:
    text: str = _WORDS.get(item["type"]) or item["msg"]
    return text.removeprefix("Value error, ")
