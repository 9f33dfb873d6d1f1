"""What outcomes and facts tell of links: folded in memory, written by two statements for a batch whatever its size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import orjson

from services.console.links.store import QUERIES
from shared.contracts.changes import Operation
from shared.contracts.failure_codes import Code
from shared.contracts.links import LinkFact
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.runtime.database import Connection

Key = tuple[str, str]
_SUCCESSES: Final = frozenset({Result.DONE, Result.ADOPTED})


class Finding(StrEnum):
    """What the last comparison with the target found."""

    SAME = "same"
    DIFFERS = "differs"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Where a link points from one generation on (none: nowhere)."""

    generation: int
    target_id: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a comparison found."""

    generation: int
    finding: Finding
    differs: tuple[str, ...]
    at: datetime


def link_told(outcome: ProvisioningOutcome) -> Told | None:
    """Return what the outcome of a change tells of its user's link; nothing when it tells nothing."""
    if outcome.object_type is not ObjectType.USER or outcome.operation is Operation.COMPARE:
        return None
    gone = (
        outcome.result is Result.FAILED and outcome.failure is not None and outcome.failure.code == Code.INVALID_ANCHOR
    )
    if gone or (outcome.result in _SUCCESSES and outcome.operation is Operation.DELETE):
        return Told(generation=outcome.generation, target_id=None, at=outcome.at)
    if outcome.result in _SUCCESSES and outcome.target_id:
        return Told(generation=outcome.generation, target_id=outcome.target_id, at=outcome.at)
    return None


def comparison_told(outcome: ProvisioningOutcome) -> Compared | None:
    """Return what a comparison found; nothing when the target could not be asked."""
    if outcome.operation is not Operation.COMPARE:
        return None
    differs = tuple(item.path for item in outcome.modified)
    finding = Finding.DIFFERS if differs else Finding.SAME
    if outcome.result is Result.FAILED and outcome.failure and outcome.failure.code == Code.INVALID_ANCHOR:
        finding, differs = Finding.GONE, ()
    elif outcome.result is not Result.DONE:
        return None
    return Compared(generation=outcome.generation, finding=finding, differs=differs, at=outcome.at)


def worth_a_row(outcome: ProvisioningOutcome) -> bool:
    """Return whether an outcome belongs into the provisioning log: a comparison that found nothing does not."""
    if outcome.operation is not Operation.COMPARE:
        return True
    return outcome.result is not Result.SUPERSEDED and (bool(outcome.modified) or outcome.result is not Result.DONE)


async def note_outcomes(connection: Connection, outcomes: Sequence[ProvisioningOutcome]) -> None:
    """Note what a batch of outcomes tells of links."""
    await _save(connection, ((_key(item), told) for item in outcomes if (told := link_told(item)) is not None))
    compared: dict[Key, Compared] = {}
    for item in outcomes:
        found = comparison_told(item)
        if found is not None and ((key := _key(item)) not in compared or compared[key].generation < found.generation):
            compared[key] = found
    if compared:
        await connection.execute(
            QUERIES.save_compared,
            [job for job, _ in compared],
            [item for _, item in compared],
            [found.generation for found in compared.values()],
            [found.at for found in compared.values()],
            [found.finding.value for found in compared.values()],
            [orjson.dumps(found.differs).decode() for found in compared.values()],
        )


async def note_facts(connection: Connection, facts: Sequence[LinkFact]) -> None:
    """Note what diff says of links that operators asked about."""
    await _save(
        connection,
        (
            ((fact.job_id, fact.object_id), Told(generation=fact.generation, target_id=fact.target_id, at=fact.at))
            for fact in facts
        ),
    )


async def _save(connection: Connection, told: Iterable[tuple[Key, Told]]) -> None:
    newest: dict[Key, Told] = {}
    for key, one in told:
        if key not in newest or newest[key].generation < one.generation:
            newest[key] = one
    if newest:
        await connection.execute(
            QUERIES.save_links,
            [job for job, _ in newest],
            [item for _, item in newest],
            [one.generation for one in newest.values()],
            [one.target_id for one in newest.values()],
            [one.at for one in newest.values()],
        )


def _key(outcome: ProvisioningOutcome) -> Key:
    return outcome.job_id, outcome.object_id
