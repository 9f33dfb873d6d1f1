"""What the API and the pages show, read from the read models: plain values with the names of the API, times in UTC."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.console import holds, job_definitions, timeline
from services.console.core import Person, standing
from services.console.job_definitions import StoredJob
from services.console.source_view import show_source
from services.console.store import QUERIES, person_of
from shared.contracts.control import ScheduleState
from shared.contracts.failure_codes import ADVICE, Code
from shared.contracts.outcomes import LicenseState
from shared.contracts.public import UserStatus
from shared.contracts.source import SourceState
from shared.runtime.database import Connection

MOST_TIMELINE_ENTRIES: Final = 500
Shown = dict[str, Any]


async def jobs(connection: Connection) -> list[Shown]:
    """Return every job with its status."""
    return [
        show_job(job) | {"status": await status(connection, job)} for job in await job_definitions.list_jobs(connection)
    ]


async def job(connection: Connection, job_id: str) -> Shown:
    """Return one job with its status; raises ``JobNotFoundError``."""
    found = await job_definitions.load_job(connection, job_id)
    return show_job(found) | {"status": await status(connection, found)}


def show_job(stored: StoredJob) -> Shown:
    """Return what may be shown of a job definition: of credentials only that they are set, and their fingerprint."""
    return {
        "id": stored.job_id,
        **stored.definition.model_dump(mode="json", by_alias=True),
        "schedule": {"state": stored.schedule},
        "secrets": show_secrets(stored),
        "version": stored.version,
        "createdAt": stored.created_at,
        "changedAt": stored.changed_at,
    }


def show_secrets(stored: StoredJob) -> Shown:
    """Return which credentials of a job are set, with fingerprint and times."""
    shown: Shown = {}
    for name in job_definitions.SECRET_NAMES:
        secret = stored.secrets.get(name)
        shown[name] = {
            "set": secret is not None,
            "fingerprint": secret.fingerprint if secret else None,
            "expiresAt": secret.expires_at if secret else None,
            "updatedAt": secret.updated_at if secret else None,
        }
    certificate = stored.secrets.get("clientCertificate")
    shown["clientCertificate"]["thumbprint"] = certificate.thumbprint if certificate else None
    return shown


async def status(connection: Connection, stored: StoredJob) -> Shown:
    """Return how a job is getting on."""
    job_id = stored.job_id
    numbers = {row["status"]: row["number"] for row in await connection.fetch(QUERIES.count_people, job_id)}
    newest = await connection.fetchrow(QUERIES.load_newest_cycle, job_id)
    last = await connection.fetchrow(QUERIES.load_last_cycle, job_id)
    running = newest is not None and newest["phase"] == "started" and stored.schedule is ScheduleState.ACTIVE
    return {
        "state": stored.schedule,
        "currentCycle": _cycle(newest) if running else None,
        "lastCycle": _cycle(last) if last is not None else None,
        "counts": {str(name): numbers.get(name, 0) for name in UserStatus} | {"total": sum(numbers.values())},
        "conditions": [_condition(row) for row in await connection.fetch(QUERIES.list_conditions, job_id)],
        "heldRemovals": sum(hold["removals"] for hold in await holds.open_holds(connection, job_id)),
        "missingSecrets": stored.missing_secrets,
        "notificationMail": {
            "email": stored.definition.notifications.email,
            "onFailure": stored.definition.notifications.on_failure,
        },
    }


def _cycle(row: Mapping[str, Any]) -> Shown:
    return {
        "kind": row["kind"],
        "cycleId": row["cycle_id"],
        "phase": row["phase"],
        "objects": max(row["objects"], row["seen"]),
        "startedAt": row["started_at"],
        "endedAt": row["ended_at"],
        "failure": json.loads(row["failure"]) if row["failure"] else None,
    }


def _condition(row: Mapping[str, Any]) -> Shown:
    return {
        "condition": row["condition"],
        "service": row["service"],
        "since": row["at"],
        "failure": json.loads(row["failure"]) if row["failure"] else None,
    }


async def users(
    connection: Connection, job_id: str, *, with_status: UserStatus | None, after: str, limit: int
) -> tuple[list[Shown], str | None]:
    """Return users by object id, and the object id to go on after when there are more."""
    if with_status is None:
        rows = await connection.fetch(QUERIES.list_people, job_id, after, limit + 1)
    else:
        rows = await connection.fetch(QUERIES.list_people_with_status, job_id, with_status, after, limit + 1)
    return [_user(row) for row in rows[:limit]], _next(rows, limit)


def _next(rows: Sequence[Mapping[str, Any]], limit: int) -> str | None:
    return rows[limit - 1]["object_id"] if len(rows) > limit else None


def _user(row: Mapping[str, Any]) -> Shown:
    person = person_of(row["facets"])
    now, said, written = standing(person), person.assigned, person.written
    return {
        "id": row["object_id"],
        "userPrincipalName": said.user_principal_name if said else None,
        "displayName": said.display_name if said else None,
        "assigned": said.assigned if said else None,
        "status": now.status,
        "reason": now.reason,
        "code": now.code,
        "retryAt": written.retry_at if written and now.status is UserStatus.FAILED else None,
        "targetId": person.link.target_id or None if person.link else None,
        "license": {"state": row["license_state"], "ticket": row["license_ticket"]} if row["license_state"] else None,
        "updatedAt": row["updated_at"],
    }


async def user(connection: Connection, job_id: str, name: str) -> Shown | None:
    """Return one user, by object id or exact user principal name, with everything that was said about them, the oldest first."""
    if "\x00" in name:
        return None  # PostgreSQL takes no NUL character, and so nobody has one
    row = await connection.fetchrow(QUERIES.find_person, job_id, name)
    row = row or await connection.fetchrow(QUERIES.find_person_by_name, job_id, name)
    if row is None:
        return None
    shown = _user(row)
    if row["license_state"] == "waiting":
        before = await connection.fetchval(QUERIES.count_before_in_line, job_id, row["license_ticket"])
        shown["license"]["position"] = before + 1
    shown["advice"] = advice_for(shown["code"])
    entries = await connection.fetch(QUERIES.load_timeline, row["person_no"], MOST_TIMELINE_ENTRIES)
    ordered = sorted(entries, key=lambda entry: (entry["at"], timeline.RANK.get(entry["kind"], 99)))
    shown["timeline"] = [_entry(entry) for entry in ordered]
    return shown


def _entry(row: Mapping[str, Any]) -> Shown:
    facts = json.loads(row["facts"])
    what, why = timeline.describe(row["kind"], facts)
    return {
        "at": row["at"],
        "service": row["service"],
        "kind": row["kind"],
        "what": what,
        "reason": why,
        "facts": facts,
    }


def advice_for(code: str | None) -> str | None:
    """Return what to do about a failure code, where it is one of ours."""
    return ADVICE[Code(code)] if code in list(Code) else None


async def licenses(connection: Connection, stored: StoredJob, *, after: str, limit: int) -> tuple[Shown, str | None]:
    """Return the pool of a job, its waiting line and who holds what, with the object id to go on after when there are more users."""
    job_id, wanted = stored.job_id, stored.definition.licenses
    numbers = {row["license_state"]: row["number"] for row in await connection.fetch(QUERIES.count_licenses, job_id)}
    granted, reserved = numbers.get("granted", 0), numbers.get("reserved", 0)
    line = await connection.fetch(QUERIES.list_waiting, job_id, limit)
    rows = await connection.fetch(QUERIES.list_license_users, job_id, after, limit + 1)
    return {
        "autoAssign": wanted.auto_assign,
        "applicationInstance": wanted.application_instance,
        "licenseType": wanted.license_type,
        "whenExhausted": wanted.when_exhausted,
        "capacity": wanted.capacity,
        "granted": granted,
        "reserved": reserved,
        "inUse": granted + reserved,
        "free": max(0, wanted.capacity - granted - reserved),
        "overcommitted": max(0, granted + reserved - wanted.capacity) if wanted.auto_assign else 0,
        "waiting": numbers.get("waiting", 0),
        "waitingLine": [{"position": place, **_seat(row)} for place, row in enumerate(line, start=1)],
        "users": [{"state": row["license_state"], **_seat(row)} for row in rows[:limit]],
    }, _next(rows, limit)


def _since(person: Person, state: str) -> datetime | None:
    """Return since when the user stands there, as far as a message told it."""
    if state == LicenseState.GRANTED and person.written is not None:
        return person.written.at
    fact = person.license
    return fact.at if fact and fact.state == state else None


def _seat(row: Mapping[str, Any]) -> Shown:
    person = person_of(row["facets"])
    said = person.assigned
    return {
        "id": row["object_id"],
        "userPrincipalName": said.user_principal_name if said else None,
        "displayName": said.display_name if said else None,
        "ticket": row["license_ticket"],
        "since": _since(person, row["license_state"]),
    }


async def failures(connection: Connection, job_id: str) -> list[Shown]:
    """Return the failures of a job by cause, the most frequent first, with advice and three examples (object ids)."""
    return [
        {
            "code": row["code"],
            "count": row["number"],
            "advice": advice_for(row["code"]),
            "since": row["since"],
            "nextAttemptAt": row["next_attempt_at"],
            "examples": row["examples"],
        }
        for row in await connection.fetch(QUERIES.count_failures, job_id)
    ]


async def source(connection: Connection, stored: StoredJob) -> Shown:
    """Return how far the source of a job was read, with ages as of now."""
    kept = await connection.fetchval(QUERIES.load_source_state, stored.job_id)
    state = SourceState.model_validate_json(kept) if kept is not None else None
    return show_source(stored.definition.source.kind, state, datetime.now(UTC))
