"""What each error means to who asked: problem details for every one of them."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from services.console.api.problems import ProblemError, field_errors, invalid, schema_refused
from services.console.holds import HoldNotFoundError, NotHeldError
from services.console.job_definitions import JobDeletedError, JobNotFoundError, KeyReusedError, SecretsMissingError
from services.console.job_schemas import SchemaChangedError, SchemaVersionNotFoundError
from services.console.previews import PreviewDoesNotFitError, PreviewNotFoundError
from shared.runtime.database import TRANSIENT_ERRORS
from shared.schema.findings import SchemaRefusedError

_DETAILS: Final = {
    400: "The body cannot be read. Send JSON with Content-Type: application/json.",
    404: "There is nothing at this address. See /api/v1/openapi.json.",
    405: "This address does not take this method. See /api/v1/openapi.json.",
    413: "The body is too large.",
}


def as_problem(error: Exception) -> ProblemError:
    """Return what an error means to who asked. What is not foreseen is said to be ours, without any detail."""
    for kind, explain in _EXPLAINED.items():
        if isinstance(error, kind):
            return explain(error)
    if isinstance(error, TRANSIENT_ERRORS):
        return ProblemError(
            503,
            "The database does not answer",
            "Nothing was changed. Try again in a moment; /readyz says what is waited for.",
            headers={"Retry-After": "5"},
        )
    return ProblemError(500, "Something went wrong here", "The reason is in the log of the console service.")


def _http(error: Any) -> ProblemError:
    detail = _DETAILS.get(error.status_code, "The request cannot be answered.")
    return ProblemError(error.status_code, HTTPStatus(error.status_code).phrase, detail, headers=error.headers)


def _secrets_missing(error: Any) -> ProblemError:
    detail = f"The job cannot start without {' and '.join(error.names)}. Save what is missing by PUT /api/v1/jobs/JOB/secrets."
    return ProblemError(409, "Credentials are missing", detail)


_EXPLAINED: Final[Mapping[type[Exception], Callable[[Any], ProblemError]]] = {
    ProblemError: lambda error: error,
    RequestValidationError: lambda error: invalid(field_errors(error.errors())),
    HTTPException: _http,
    SecretsMissingError: _secrets_missing,
    JobNotFoundError: lambda _: ProblemError(
        404, "No such job", "There is no job with this id, or it was deleted. See GET /api/v1/jobs."
    ),
    JobDeletedError: lambda _: ProblemError(
        409, "The job was deleted", "This Idempotency-Key made a job that was deleted since. Use another key."
    ),
    KeyReusedError: lambda _: ProblemError(
        409,
        "Idempotency-Key was used before",
        "This Idempotency-Key was used for another request. Use another key; to change a job that it made, PATCH that job.",
    ),
    SchemaRefusedError: schema_refused,
    SchemaVersionNotFoundError: lambda _: ProblemError(
        404, "No such version", "The job has no such version of its schema. See GET /api/v1/jobs/JOB/schema/versions."
    ),
    SchemaChangedError: lambda error: ProblemError(
        412,
        "The schema was changed meanwhile",
        f"Version {error.current} is in force. Read it, put your change into it, and send its ETag as If-Match.",
    ),
    PreviewNotFoundError: lambda _: ProblemError(
        404,
        "No such preview",
        "The job has no preview with this id, or it is older than a day and forgotten. See GET /api/v1/jobs/JOB/previews.",
    ),
    PreviewDoesNotFitError: lambda error: ProblemError(
        409, "This is not what the preview showed", f"Nothing was changed. {error}"
    ),
    HoldNotFoundError: lambda _: ProblemError(
        404, "No such hold", "The job has no held removals with this id. See GET /api/v1/jobs/JOB/holds."
    ),
    NotHeldError: lambda error: ProblemError(409, "There is nothing to decide", str(error)),
}
EXPLAINED_ERRORS: Final = (*_EXPLAINED, *TRANSIENT_ERRORS, Exception)
"""The errors that the application answers by ``as_problem``."""
