"""The job definitions that a service knows, kept in its own schema from control.jobs.v1."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.contracts.control import JobRecord, ResetScope, ScheduleState
from shared.contracts.job import JobDefinition
from shared.contracts.message import ObjectType
from shared.contracts.templates import TEMPLATES, Template
from shared.runtime.database import Connection
from shared.runtime.errors import JobUnknownError
from shared.runtime.job_schemas import JobSchema, SchemaUnusableError, schema_in_force
from shared.runtime.queries import Queries
from shared.schema.compiling import CompiledSchema

if TYPE_CHECKING:
    from shared.runtime.transaction import Received, Transaction

QUERIES = Queries("shared.runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as a service knows it."""

    job_id: str
    version: int
    definition: JobDefinition
    schedule: ScheduleState
    secrets: dict[str, str]
    restarts: int
    resets: dict[ResetScope, int]
    deleted: bool
    schema_version: int = 0
    job_schema: JobSchema | None = None

    @property
    def template(self) -> Template:
        """Return the template of the job's kind of target."""
        return TEMPLATES[self.definition.template]

    @property
    def schema(self) -> CompiledSchema:
        """Return the compiled schema in force; raises ``SchemaUnusableError`` while there is none."""
        held = self.job_schema or schema_in_force(self.job_id, self.definition.template, None)
        if held.compiled is None:
            raise SchemaUnusableError(self.job_id, held.problem or "the job has no schema")
        return held.compiled

    def source_attributes(self, object_type: ObjectType) -> tuple[str, ...]:
        """Return the Microsoft Graph properties of users or of groups that the job reads, sorted, each once.

        ``manager`` among those of users stands for the directory object id of the manager. Raises ``SchemaUnusableError``.
        """
        return self.schema.source_attributes(object_type)

    @property
    def active(self) -> bool:
        """Return whether cycles run."""
        return self.schedule is ScheduleState.ACTIVE and not self.deleted


class Jobs:
    """Parsed definitions, kept by version: a newer version in the database is read, an equal one is not parsed again."""

    def __init__(self) -> None:
        self._parsed: dict[str, Job] = {}

    async def load(self, connection: Connection, job_ids: Iterable[str]) -> dict[str, Job]:
        """Return the jobs by id; raise ``JobUnknownError`` for the first id whose definition has not arrived."""
        wanted = sorted(set(job_ids))
        versions = {row["job_id"]: row["version"] for row in await connection.fetch(QUERIES.load_job_versions, wanted)}
        stale = []
        for job_id in wanted:
            if job_id not in versions:
                raise JobUnknownError(job_id)
            known = self._parsed.get(job_id)
            if known is None or known.version != versions[job_id]:
                stale.append(job_id)
        if stale:
            for row in await connection.fetch(QUERIES.load_jobs, stale):
                self._parsed[row["job_id"]] = read_job(row["record"], self._parsed.get(row["job_id"]))
        return {job_id: self._parsed[job_id] for job_id in wanted}

    async def list(self, connection: Connection) -> list[Job]:
        """Return every job that is not deleted."""
        jobs = []
        for row in await connection.fetch(QUERIES.list_jobs):
            known = self._parsed.get(row["job_id"])
            if known is None or known.version != row["version"]:
                known = self._parsed[row["job_id"]] = read_job(row["record"], known)
            jobs.append(known)
        return jobs


def read_job(record: str, known: Job | None) -> Job:
    """Return the job of a record; what is ``known`` of it keeps its schema in force when the new one does not compile."""
    parsed = JobRecord.model_validate_json(record)
    template, document = parsed.definition.template, parsed.synchronization_schema
    last = known.job_schema if known is not None and known.definition.template == template else None
    return Job(
        job_id=parsed.job_id,
        version=parsed.sequence,
        definition=parsed.definition,
        schedule=parsed.schedule,
        secrets=parsed.secrets,
        restarts=parsed.restarts,
        resets=parsed.resets,
        deleted=parsed.deleted,
        schema_version=parsed.schema_version,
        job_schema=schema_in_force(parsed.job_id, template, document, last),
    )


async def store_jobs(tx: "Transaction", received: "Sequence[Received[JobRecord]]") -> None:
    """Keep the newest definition of each job; an older version that arrives late changes nothing."""
    newest: dict[str, JobRecord] = {}
    for item in received:
        known = newest.get(item.message.job_id)
        if known is None or known.sequence < item.message.sequence:
            newest[item.message.job_id] = item.message
    records = [newest[job_id] for job_id in sorted(newest)]
    await tx.connection.execute(
        QUERIES.store_jobs,
        [record.job_id for record in records],
        [record.sequence for record in records],
        [record.body().decode() for record in records],
        [record.deleted for record in records],
        [record.changed_at for record in records],
    )
