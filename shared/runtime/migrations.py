"""Forward-only migrations: numbered SQL files, each applied once, in one transaction, under one lock."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

from shared.runtime.database import Connection, schema_of
from shared.runtime.errors import StartRefusedError

_NAME = re.compile(r"^(?P<number>\d{4})_(?P<phase>pre|post)_[a-z0-9_]+\.sql$")
FRAME = "shared.runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of a schema. ``pre`` runs before the new release starts, ``post`` after the old one is gone."""

    origin: str
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Return the checksum that tells an altered file from the applied one."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_of(service: str) -> tuple[Migration, ...]:
    """Return the migrations of the frame and of ``service``, in the order in which they are applied."""
    packages = {"frame": FRAME, service: f"services.{schema_of(service)}"}
    return tuple(step for origin, package in packages.items() for step in _read(origin, package))


def _read(origin: str, package: str) -> list[Migration]:
    folder = files(package).joinpath("migrations")
    found = sorted(
        (
            Migration(origin=origin, number=int(match["number"]), name=entry.name, sql=entry.read_text("utf-8"))
            for entry in folder.iterdir()
            if (match := _NAME.match(entry.name))
        ),
        key=lambda step: step.number,
    )
    if [step.number for step in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"{package}/migrations are not numbered 0001, 0002, … without a gap")
    return found


async def migrate(connection: Connection, service: str) -> list[str]:
    """Apply what is missing in the schema of ``service`` and return the names. Safe to run twice and from two places at once."""
    schema = schema_of(service)
    applied = []
    async with connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"seatkeeper-migrate-{schema}"
        )
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        await connection.execute(f'SET LOCAL search_path TO "{schema}"')
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (origin text, number int, name text NOT NULL, sha256 text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (origin, number))"
        )
        done = {
            (row["origin"], row["number"]): row["sha256"] for row in await connection.fetch("SELECT * FROM migration")
        }
        for step in migrations_of(service):
            known = done.get((step.origin, step.number))
            if known == step.sha256:
                continue
            if known is not None:
                raise StartRefusedError(
                    f"Migration {step.name} of {service} was altered after it was applied; restore the file."
                )
            await connection.execute(step.sql)
            await connection.execute(
                "INSERT INTO migration (origin, number, name, sha256) VALUES ($1, $2, $3, $4)",
                step.origin,
                step.number,
                step.name,
                step.sha256,
            )
            applied.append(step.name)
    return applied


async def check_migrated(connection: Connection, service: str) -> None:
    """Raise ``StartRefusedError`` with one sentence when a ``pre`` migration of ``service`` has not been applied."""
    schema = schema_of(service)
    done: set[tuple[str, int]] = set()
    if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{schema}.migration"):
        async with connection.transaction():
            await connection.execute("SELECT set_config('search_path', $1, true)", schema)
            done = {tuple(row) for row in await connection.fetch("SELECT origin, number FROM migration")}
    missing = [
        step.name for step in migrations_of(service) if (step.origin, step.number) not in done and "_pre_" in step.name
    ]
    if missing:
        raise StartRefusedError(
            f"The database is not migrated for {service}: {', '.join(missing)} is missing. Run: seatkeeper migrate"
        )
