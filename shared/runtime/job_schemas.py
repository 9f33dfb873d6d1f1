"""The compiled schema of a job: of the document that an administrator saved, or the default of the template."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from shared.contracts.templates import TEMPLATES
from shared.runtime.errors import WaitError
from shared.runtime.log import logger
from shared.schema.checks import read_schema
from shared.schema.compiling import CompiledSchema, compile_schema, template_default
from shared.schema.findings import SchemaRefusedError

_log = logger(__name__)


class SchemaUnusableError(WaitError):
    """The schema of a job does not compile in this version, and no earlier one is known: nothing is decided with a schema that nobody chose."""

    def __init__(self, job_id: str, problem: str) -> None:
        super().__init__(
            f"{problem}; job {job_id} waits: upgrade this service, or restore an earlier version with seatkeeper schema restore"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSchema:
    """The schema in force. ``problem`` says why it is not the newest one; without ``compiled`` there is none at all."""

    compiled: CompiledSchema | None
    problem: str | None = None


def schema_in_force(
    job_id: str, template: str, document: dict[str, Any] | None, known: JobSchema | None = None
) -> JobSchema:
    """Return the schema of a job; a document that does not compile leaves the last good one, ``known``, in force and says so in the log."""
    if document is None:
        return JobSchema(compiled=template_default(template))
    try:
        return JobSchema(compiled=_compiled(template, orjson.dumps(document)))
    except SchemaRefusedError as error:
        problem = str(error)
        _log.error(
            problem, action="schema_refused", job_id=job_id, kept=known is not None and known.compiled is not None
        )
        return JobSchema(compiled=known.compiled if known else None, problem=problem)


@lru_cache(maxsize=64)
def _compiled(template: str, document: bytes) -> CompiledSchema:
    """Compile each document once: a new version of a job mostly has the schema of the one before."""
    return compile_schema(read_schema(orjson.loads(document)), TEMPLATES[template])
