"""The synchronization schemas of jobs, which console owns: each save is a version, and a new initial cycle ("Save attribute mapping")."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from services.console.audit import Request
from services.console.job_definitions import StoredJob, change_job, forget, lock_job
from services.console.preview_view import Change
from services.console.previews import Shown, schema_digest
from services.console.store import QUERIES
from shared.contracts.restart import FORGETS, Action
from shared.contracts.synchronization_schema import SynchronizationSchema
from shared.contracts.templates import TEMPLATES
from shared.runtime.database import Connection
from shared.runtime.transaction import Transaction
from shared.schema.checks import read_schema
from shared.schema.compiling import compile_schema, with_parsed_sources
from shared.schema.findings import Finding, Findings, SchemaRefusedError

LARGEST_SCHEMA_BYTES: Final = 512 * 1024
"""Of a schema without what is at its default: it travels in one message with the rest of its job."""
MOST_VERSIONS_SHOWN: Final = 200
TEMPLATE_DEFAULT: Final = 0
"""The version of a job for which no schema was saved."""


class SchemaVersionNotFoundError(Exception):
    """The job has no such version of its schema."""


class SchemaChangedError(Exception):
    """Somebody saved another version since the one that the request was made for; ``current`` is the one in force."""

    def __init__(self, current: int) -> None:
        super().__init__(f"version {current} is in force")
        self.current = current


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaVersion:
    """The schema of one version of a job. ``document`` is nothing for the default of the template."""

    number: int
    document: str | None

    def schema(self, template: str) -> SynchronizationSchema:
        """Return the schema as Entra shows one, every source taken apart."""
        if self.document is None:
            return with_parsed_sources(TEMPLATES[template].schema)
        return read_schema(orjson.loads(self.document))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A schema that can be saved: as text without defaults, and what is probably not meant."""

    document: str
    warnings: tuple[Finding, ...]


def accept(document: Mapping[str, Any], template: str) -> Accepted:
    """Return a document ready to be saved for jobs of ``template``; raises ``SchemaRefusedError`` with everything that is wrong with it."""
    compiled = compile_schema(read_schema(document), TEMPLATES[template])
    parsed = with_parsed_sources(compiled.schema)
    try:
        text = orjson.dumps(parsed.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    except orjson.JSONEncodeError:
        message = "an annotation or an API expression holds what is no text, or a number of more than 64 bits"
        raise _refused("NotText", message, "remove it") from None
    if len(text) > LARGEST_SCHEMA_BYTES:
        message = f"the schema has {len(text):,} bytes, and {LARGEST_SCHEMA_BYTES:,} can be kept"
        raise _refused("TooLarge", message, "remove attributes from directories that no mapping uses")
    return Accepted(document=text.decode(), warnings=compiled.warnings)


def _refused(code: str, message: str, remedy: str) -> SchemaRefusedError:
    findings = Findings()
    findings.error("", code, message, remedy)
    return SchemaRefusedError(findings.all())


async def newest(connection: Connection, job_id: str) -> SchemaVersion:
    """Return the version in force."""
    row = await connection.fetchrow(QUERIES.load_newest_schema, job_id)
    if row is None:
        return SchemaVersion(number=TEMPLATE_DEFAULT, document=None)
    return SchemaVersion(number=row["schema_version"], document=row["document"])


async def find(connection: Connection, job_id: str, number: int) -> SchemaVersion:
    """Return one version; raises ``SchemaVersionNotFoundError``."""
    if number == TEMPLATE_DEFAULT:
        return SchemaVersion(number=TEMPLATE_DEFAULT, document=None)
    row = await connection.fetchrow(QUERIES.load_schema, job_id, number)
    if row is None:
        raise SchemaVersionNotFoundError
    return SchemaVersion(number=row["schema_version"], document=row["document"])


async def versions(connection: Connection, job_id: str) -> list[dict[str, Any]]:
    """Return the versions of a job's schema, the newest first and with it the one in force; version 0 is the default of the template."""
    rows = await connection.fetch(QUERIES.list_schemas, job_id, MOST_VERSIONS_SHOWN)
    shown = [
        {
            "schemaVersion": row["schema_version"],
            "templateDefault": row["is_default"],
            "restoredFrom": row["restored_from"],
            "savedBy": row["operator"],
            "reason": row["reason"],
            "savedAt": row["saved_at"],
        }
        for row in rows
    ]
    first = {"schemaVersion": TEMPLATE_DEFAULT, "templateDefault": True, "restoredFrom": None}
    every = [*shown, first | {"savedBy": None, "reason": "", "savedAt": None}]
    return [item | {"inForce": index == 0} for index, item in enumerate(every)]


async def save(
    tx: Transaction,
    request: Request,
    job_id: str,
    document: Mapping[str, Any],
    *,
    expected: int | None = None,
    shown: Shown | None = None,
) -> tuple[SchemaVersion, tuple[Finding, ...]]:
    """Save a schema and return its version with its warnings; one that is in force already makes no new version.

    Raises ``JobNotFoundError``, ``SchemaRefusedError``, ``SchemaChangedError`` when another version than ``expected`` is in force, and
    ``PreviewDoesNotFitError`` when it is not the one that was ``shown``.
    """
    job = await lock_job(tx, job_id)
    accepted = await asyncio.to_thread(accept, document, job.definition.template)
    saved = await _put(tx, request, job, accepted.document, action="schema.save", expected=expected, shown=shown)
    return saved, accepted.warnings


async def restore(
    tx: Transaction,
    request: Request,
    job_id: str,
    number: int,
    *,
    expected: int | None = None,
    shown: Shown | None = None,
) -> SchemaVersion:
    """Put an earlier version in force, as a new one; ``TEMPLATE_DEFAULT`` is the default of the template.

    Raises ``JobNotFoundError``, ``SchemaVersionNotFoundError``, ``SchemaChangedError``, ``SchemaRefusedError`` for a version that the
    template of the job does not take any more, and ``PreviewDoesNotFitError`` when it is not what was ``shown``.
    """
    job = await lock_job(tx, job_id)
    known = await find(tx.connection, job_id, number)
    if known.document is not None:
        await asyncio.to_thread(accept, orjson.loads(known.document), job.definition.template)
    return await _put(
        tx, request, job, known.document, action="schema.restore", expected=expected, shown=shown, restored_from=number
    )


async def check_template(tx: Transaction, job_id: str, template: str) -> None:
    """Raise ``SchemaRefusedError`` when the saved schema of a job does not fit another template; the job stays locked until the commit.

    Raises ``JobNotFoundError``.
    """
    job = await lock_job(tx, job_id)
    known = await newest(tx.connection, job_id)
    if template != job.definition.template and known.document is not None:
        await asyncio.to_thread(accept, orjson.loads(known.document), template)


async def _put(
    tx: Transaction,
    request: Request,
    job: StoredJob,
    document: str | None,
    *,
    action: str,
    expected: int | None,
    shown: Shown | None,
    restored_from: int | None = None,
) -> SchemaVersion:
    known = await newest(tx.connection, job.job_id)
    if expected is not None and expected != known.number:
        raise SchemaChangedError(known.number)
    if document == known.document:
        return known
    if shown is not None:
        shown.check(Change.SCHEMA, schema_digest(document), job_version=job.version)
    saved = SchemaVersion(number=known.number + 1, document=document)
    await tx.connection.execute(
        QUERIES.append_schema,
        job.job_id,
        saved.number,
        document,
        restored_from,
        request.operator.name,
        request.reason,
        tx.now,
    )
    details: dict[str, Any] = {"schemaVersion": saved.number}
    if restored_from is not None:
        details["restoredFrom"] = restored_from
    if shown is not None:
        details["previewId"] = shown.preview.preview_id
    # A new initial cycle: everybody is evaluated with the new schema, the cycle that runs ends with the old one.
    forgets = FORGETS[Action.SAVE_SCHEMA]
    await change_job(tx, request, job.job_id, action, lambda stored: forget(stored, forgets), details=details)
    return saved
