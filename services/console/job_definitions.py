"""The job definitions, which console owns: each change is one transaction with its version, its audit row and its messages."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from services.console import audit
from services.console.audit import Request
from services.console.store import QUERIES
from shared.contracts.control import JobRecord, OperatorRequest, RequestKind, ResetScope, ScheduleState
from shared.contracts.ids import JOB_OBJECT, derived_id
from shared.contracts.job import Credential, JobDefinition, MicrosoftGraphSource
from shared.contracts.message import ObjectType
from shared.contracts.restart import ask
from shared.runtime.crashpoints import crash_point
from shared.runtime.database import Connection
from shared.runtime.transaction import Transaction

SECRET_NAMES: Final = ("secretToken", "clientSecret", "clientCertificate")
EXPIRY_OF_CLIENT_SECRET: Final = "clientSecretExpiresAt"  # noqa: S105 - the name of a date
"""Travels with the secrets, as ciphertext too: the watcher says this date when the client secret is refused."""


class JobNotFoundError(Exception):
    """There is no such job, or it was deleted."""


class JobDeletedError(Exception):
    """The Idempotency-Key made a job that was deleted since."""


class KeyReusedError(Exception):
    """The Idempotency-Key made a job with another definition."""


class SecretsMissingError(Exception):
    """The job cannot run: ``names`` are the credentials that are not set."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """One credential as it is kept: ciphertext, and what may be shown of it."""

    ciphertext: str = field(repr=False)
    fingerprint: str
    expires_at: str | None
    updated_at: str
    thumbprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """One job definition with its version, schedule and credentials."""

    job_id: str
    version: int
    definition: JobDefinition
    schedule: ScheduleState
    secrets: Mapping[str, StoredSecret]
    restarts: int
    resets: Mapping[ResetScope, int]
    deleted: bool
    created_at: datetime
    changed_at: datetime

    @property
    def missing_secrets(self) -> list[str]:
        """Return the names of the credentials that a cycle needs and that are not set."""
        return [name for name in needed_secrets(self.definition) if name not in self.secrets]


def needed_secrets(definition: JobDefinition) -> list[str]:
    """Return the names of the credentials that a cycle of this job needs: the target's, and the one that its source asks for."""
    source = definition.source
    if not isinstance(source, MicrosoftGraphSource) or source.credential is Credential.WORKLOAD_IDENTITY:
        return ["secretToken"]
    return ["secretToken", source.credential.value]


Decide = Callable[[StoredJob], StoredJob]


async def list_jobs(connection: Connection) -> list[StoredJob]:
    """Return every job that is not deleted, the oldest first."""
    return [_job_of(row) for row in await connection.fetch(QUERIES.list_jobs)]


async def load_job(connection: Connection, job_id: str) -> StoredJob:
    """Return one job; raises ``JobNotFoundError``."""
    row = await connection.fetchrow(QUERIES.load_job, job_id)
    if row is None:
        raise JobNotFoundError
    return _job_of(row)


async def create_job(
    tx: Transaction, request: Request, job_id: str, definition: JobDefinition
) -> tuple[StoredJob, bool]:
    """Create a job and return it with True; the same request again returns what it made, with False.

    Raises ``JobDeletedError`` and ``KeyReusedError``.
    """
    text = definition.model_dump_json(by_alias=True)
    digest = hashlib.sha256(text.encode()).digest()
    row = await tx.connection.fetchrow(QUERIES.insert_job, job_id, text, ScheduleState.DISABLED, digest, tx.now)
    if row is None:
        known = await tx.connection.fetchrow(QUERIES.lock_job, job_id)
        if known["deleted"]:
            raise JobDeletedError
        if known["request_sha256"] != digest:
            raise KeyReusedError
        return _job_of(known), False
    job = _job_of(row)
    await _publish(tx, request, job, action="jobs.create", details={})
    return job, True


async def lock_job(tx: Transaction, job_id: str) -> StoredJob:
    """Return a job, locked until the commit: nobody else changes it, its schema or its previews meanwhile. Raises ``JobNotFoundError``."""
    row = await tx.connection.fetchrow(QUERIES.lock_job, job_id)
    if row is None or row["deleted"]:
        raise JobNotFoundError
    return _job_of(row)


async def change_job(
    tx: Transaction, request: Request, job_id: str, action: str, decide: Decide, *, details: Mapping[str, Any]
) -> StoredJob:
    """Change a job by ``decide`` under its lock and return it; what changes nothing makes no new version.

    Raises ``JobNotFoundError``, and what ``decide`` raises.
    """
    known = await lock_job(tx, job_id)
    wanted = decide(known)
    if wanted == known:
        return known
    job = _job_of(
        await tx.connection.fetchrow(
            QUERIES.save_job,
            job_id,
            known.version + 1,
            wanted.definition.model_dump_json(by_alias=True),
            wanted.schedule,
            json.dumps({name: _secret_row(secret) for name, secret in wanted.secrets.items()}),
            wanted.deleted,
            tx.now,
            wanted.restarts,
            json.dumps(dict(wanted.resets)),
        )
    )
    await _publish(tx, request, job, action=action, details=details, before=known)
    return job


async def delete_job(tx: Transaction, request: Request, job_id: str) -> None:
    """Delete a job: its credentials are forgotten at once, what is known of its people a little later."""
    await change_job(tx, request, job_id, "jobs.delete", lambda job: replace(job, deleted=True, secrets={}), details={})


async def set_schedule(tx: Transaction, request: Request, job_id: str, state: ScheduleState) -> StoredJob:
    """Start or pause a job and tell everybody; raises ``SecretsMissingError`` when a start lacks credentials."""

    def decide(job: StoredJob) -> StoredJob:
        if state is ScheduleState.ACTIVE and job.missing_secrets:
            raise SecretsMissingError(job.missing_secrets)
        return replace(job, schedule=state)

    action = "jobs.start" if state is ScheduleState.ACTIVE else "jobs.pause"
    return await change_job(tx, request, job_id, action, decide, details={})


async def restart(tx: Transaction, request: Request, job_id: str, scopes: frozenset[ResetScope]) -> StoredJob:
    """Ask everybody to forget what ``scopes`` name; licenses are kept whatever is forgotten."""
    return await change_job(
        tx,
        request,
        job_id,
        "jobs.restart",
        lambda job: forget(job, scopes),
        details={"resetScope": sorted(scopes)},
    )


def forget(job: StoredJob, scopes: frozenset[ResetScope]) -> StoredJob:
    """Return the job with one more request to forget each scope: counters, so that who reads late still sees what was asked for."""
    restarts, resets = ask(job.restarts, job.resets, scopes)
    return replace(job, restarts=restarts, resets=resets)


async def _publish(
    tx: Transaction,
    request: Request,
    job: StoredJob,
    *,
    action: str,
    details: Mapping[str, Any],
    before: StoredJob | None = None,
) -> None:
    """Write the audit row and emit the job, with the operator's request when the schedule changed."""
    operator = request.operator
    await audit.record(tx, request, action, job.job_id, {"version": job.version, **details})
    schema = await tx.connection.fetchrow(QUERIES.load_newest_schema, job.job_id)
    tx.emit(
        JobRecord(
            job_id=job.job_id,
            object_type=ObjectType.JOB,
            object_id=JOB_OBJECT,
            sequence=job.version,
            definition=job.definition,
            schedule=job.schedule,
            secrets={name: secret.ciphertext for name, secret in job.secrets.items()},
            restarts=job.restarts,
            synchronization_schema=json.loads(schema["document"]) if schema and schema["document"] else None,
            schema_version=schema["schema_version"] if schema else 0,
            resets=dict(job.resets),
            deleted=job.deleted,
            changed_at=tx.now,
        ),
        event_id=derived_id("job", job.job_id, job.version),
    )
    if before is not None and before.schedule is not job.schedule:
        kind = RequestKind.START if job.schedule is ScheduleState.ACTIVE else RequestKind.PAUSE
        event_id = derived_id("request", job.job_id, kind, job.version)
        tx.emit(
            OperatorRequest(
                job_id=job.job_id,
                object_type=ObjectType.JOB,
                object_id=JOB_OBJECT,
                sequence=job.version,
                kind=kind,
                reason=request.reason,
                idempotency_key=str(event_id),
                requested_by=operator.name,
                at=tx.now,
            ),
            event_id=event_id,
        )
    crash_point("console.before_commit")


def _job_of(row: Mapping[str, Any]) -> StoredJob:
    return StoredJob(
        job_id=row["job_id"],
        version=row["version"],
        definition=JobDefinition.model_validate_json(row["definition"]),
        schedule=ScheduleState(row["schedule"]),
        secrets={
            name: StoredSecret(
                ciphertext=secret["ciphertext"],
                fingerprint=secret["fingerprint"],
                expires_at=secret["expiresAt"],
                updated_at=secret["updatedAt"],
                thumbprint=secret.get("thumbprint"),
            )
            for name, secret in json.loads(row["secrets"]).items()
        },
        restarts=row["restarts"],
        resets={ResetScope(scope): count for scope, count in json.loads(row["resets"]).items()},
        deleted=row["deleted"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )


def _secret_row(secret: StoredSecret) -> dict[str, str | None]:
    return {
        "ciphertext": secret.ciphertext,
        "fingerprint": secret.fingerprint,
        "expiresAt": secret.expires_at,
        "updatedAt": secret.updated_at,
        "thumbprint": secret.thumbprint,
    }
