"""The read models of console in PostgreSQL; every function is one statement, or a fixed number of them, for a whole batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from services.console.core import Assigned, Licensed, Link, Person, Reservation, Wanted, Written, license_of, standing
from services.console.provisioning_log import action_of, body_of, status_of
from services.console.timeline import Entry
from shared.contracts.outcomes import CycleFact, JobCondition, ProvisioningOutcome
from shared.contracts.source import HoldFact, HoldState, SourceState
from shared.runtime.database import Connection
from shared.runtime.errors import WaitError
from shared.runtime.queries import Queries
from shared.runtime.transaction import Received

QUERIES = Queries("services.console")

Key = tuple[str, str]
"""job id, object id."""


class RaceError(WaitError):
    """Another process has just noted somebody whom this batch noted as new; the batch is handled again and finds them."""

    def __init__(self) -> None:
        super().__init__("another process notes the same people; trying again")


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The people of a batch: what is known of each, and the number by which the timeline knows them (new ones have none yet)."""

    numbers: dict[Key, int]
    known: dict[Key, Person]


async def lock_people(connection: Connection, keys: Iterable[Key]) -> People:
    """Return the people of a batch, locked in key order until the commit; nothing is known of who is new."""
    wanted = sorted(set(keys))
    rows = await connection.fetch(QUERIES.lock_people, [key[0] for key in wanted], [key[1] for key in wanted])
    people = People(numbers={}, known={})
    for job_id, object_id, person_no, facets in rows:
        people.numbers[job_id, object_id] = person_no
        people.known[job_id, object_id] = person_of(facets)
    return people


async def save_people(connection: Connection, numbers: dict[Key, int], changed: Mapping[Key, Person]) -> None:
    """Save people with what follows from what is known of them; new ones get a number in ``numbers``. Raises ``RaceError``."""
    new = [_row_of(key, person) for key, person in changed.items() if key not in numbers]
    old = [_row_of(key, person) for key, person in changed.items() if key in numbers]
    if old:
        await connection.execute(QUERIES.save_people, *map(list, zip(*old, strict=True)))
    if new:
        rows = await connection.fetch(QUERIES.insert_people, *map(list, zip(*new, strict=True)))
        if len(rows) < len(new):
            raise RaceError
        for job_id, object_id, person_no in rows:
            numbers[job_id, object_id] = person_no


def person_of(facets: str) -> Person:
    """Return the person of column ``facets``: each facet is a list of its values in the order of its fields."""
    kept = orjson.loads(facets)
    assigned, wanted, license_, reserved, written, link = map(kept.get, FACETS)
    return Person(
        assigned=Assigned(
            sequence=assigned[0], assigned=assigned[1], user_principal_name=assigned[2], display_name=assigned[3]
        )
        if assigned
        else None,
        wanted=Wanted(generation=wanted[0], operation=wanted[1], active=wanted[2]) if wanted else None,
        license=Licensed(
            sequence=license_[0],
            generation=license_[1],
            state=license_[2],
            ticket=license_[3],
            reason=license_[4],
            at=datetime.fromisoformat(license_[5]),
        )
        if license_
        else None,
        reserved=Reservation(generation=reserved[0], ticket=reserved[1]) if reserved else None,
        written=Written(
            generation=written[0],
            result=written[1],
            sequence=written[2],
            at=datetime.fromisoformat(written[3]),
            operation=written[4],
            active=written[5],
            reason=written[6],
            code=written[7],
            attempt=written[8],
            retry_at=datetime.fromisoformat(written[9]) if written[9] else None,
        )
        if written
        else None,
        link=Link(generation=link[0], target_id=link[1]) if link else None,
    )


FACETS = ("assigned", "wanted", "license", "reserved", "written", "link")


def facets_of(person: Person) -> str:
    """Return column ``facets`` of a person, without the NUL character, which PostgreSQL cannot look into."""
    kept: dict[str, tuple[Any, ...]] = {}
    if a := person.assigned:
        kept["assigned"] = (a.sequence, a.assigned, a.user_principal_name, a.display_name)
    if w := person.wanted:
        kept["wanted"] = (w.generation, w.operation, w.active)
    if li := person.license:
        kept["license"] = (li.sequence, li.generation, li.state, li.ticket, li.reason, li.at)
    if r := person.reserved:
        kept["reserved"] = (r.generation, r.ticket)
    if o := person.written:
        ended = (o.generation, o.result, o.sequence, o.at, o.operation, o.active, o.reason, o.code)
        kept["written"] = (*ended, o.attempt, o.retry_at)
    if link := person.link:
        kept["link"] = (link.generation, link.target_id)
    text = orjson.dumps(kept).decode()
    return text if "\\u0000" not in text else orjson.dumps(_without_nul(orjson.loads(text))).decode()


def _row_of(key: Key, person: Person) -> tuple[str | int | None, ...]:
    now, held = standing(person), license_of(person)
    return (
        *key,
        facets_of(person),
        now.status,
        now.code,
        person.assigned.user_principal_name if person.assigned else None,
        held[0] if held else None,
        held[1] if held else None,
    )


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_nul(item) for name, item in value.items()}
    return value


async def append_timeline(connection: Connection, entries: Iterable[tuple[int, str, Entry]]) -> None:
    """Append entries, each with the number of its person and the service that said it."""
    await connection.copy_records_to_table(
        "timeline",
        records=[
            (person_no, entry.at, entry.kind, service, orjson.dumps(entry.facts).decode())
            for person_no, service, entry in entries
        ],
        columns=("person_no", "at", "kind", "service", "facts"),
    )


_LOG_COLUMNS = (
    "event_id",
    "at",
    "job_id",
    "object_id",
    "cycle_id",
    "generation",
    "action",
    "status",
    "duration_ms",
    "target_id",
    "body",
)


async def append_log(connection: Connection, received: Sequence[Received[ProvisioningOutcome]]) -> None:
    """Append one row of the provisioning log for each outcome."""
    records = []
    for item in received:
        outcome = item.message
        records.append(
            (
                item.envelope.id,
                outcome.at,
                outcome.job_id,
                outcome.object_id,
                outcome.cycle_id,
                outcome.generation,
                action_of(outcome),
                status_of(outcome),
                outcome.duration_ms,
                outcome.target_id,
                body_of(outcome),
            )
        )
    await connection.copy_records_to_table("provisioning_log", records=records, columns=_LOG_COLUMNS)


async def save_cycles(connection: Connection, facts: Sequence[CycleFact]) -> None:
    """Save cycles, at most one fact for each; a cycle that ended does not become a running one again."""
    await connection.execute(
        QUERIES.save_cycles,
        [fact.job_id for fact in facts],
        [fact.cycle_id for fact in facts],
        [fact.cycle_kind for fact in facts],
        [fact.phase for fact in facts],
        [fact.objects for fact in facts],
        [fact.started_at for fact in facts],
        [fact.ended_at for fact in facts],
        [fact.failure.model_dump_json(by_alias=True) if fact.failure else None for fact in facts],
    )


async def save_conditions(connection: Connection, conditions: Sequence[tuple[str, JobCondition]]) -> None:
    """Save conditions, each with the service that said it and at most one for each service and name; an older one changes nothing."""
    facts = [fact for _, fact in conditions]
    await connection.execute(
        QUERIES.save_conditions,
        [fact.job_id for fact in facts],
        [fact.condition for fact in facts],
        [service for service, _ in conditions],
        [fact.sequence for fact in facts],
        [fact.state for fact in facts],
        [fact.failure.model_dump_json(by_alias=True) if fact.failure else None for fact in facts],
        [fact.at for fact in facts],
    )


async def save_sources(connection: Connection, states: Sequence[SourceState]) -> None:
    """Save what is said of sources, at most one message for each job; an older one changes nothing."""
    await connection.execute(
        QUERIES.save_source_states,
        [state.job_id for state in states],
        [state.sequence for state in states],
        [state.body().decode() for state in states],
    )


async def save_holds(connection: Connection, facts: Sequence[HoldFact]) -> None:
    """Save holds, at most one fact for each; an older one changes nothing."""
    await connection.execute(
        QUERIES.save_holds,
        [fact.job_id for fact in facts],
        [fact.object_id for fact in facts],
        [fact.sequence for fact in facts],
        [fact.state is HoldState.HELD for fact in facts],
        [fact.held_at for fact in facts],
        [fact.at for fact in facts],
        [fact.body().decode() for fact in facts],
    )
