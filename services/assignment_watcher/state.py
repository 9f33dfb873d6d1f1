"""The state of the source as operators see it: streams, suspects, holds, what is ignored, requests, and how far an initial cycle is."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from prometheus_client import Gauge

from services.assignment_watcher.queries import QUERIES
from services.assignment_watcher.sources.source import Source, Traffic
from services.assignment_watcher.store import Watch
from services.assignment_watcher.streams import ALARM_AGE, StreamRow, stream_of
from shared.contracts.ids import SOURCE_OBJECT, derived_id
from shared.contracts.message import ObjectType
from shared.contracts.source import ReadProgress, SourceRequests, SourceState, StreamPhase, StreamState
from shared.runtime.log import logger
from shared.runtime.transaction import Transaction

_log = logger(__name__)
_AGE: Final = Gauge(
    "seatkeeper_link_age_seconds", "Age of the link from which a stream is followed.", ["job", "stream"]
)
_HELD: Final = Gauge("seatkeeper_held_removals", "Users and groups whose removal waits for an operator.", ["job"])
_DRIFT: Final = Gauge("seatkeeper_drift_total", "Differences that only a re-read found.", ["job"])

ASSIGNMENTS: Final = "assignments"


async def say_state(
    tx: Transaction,
    watch: Watch,
    source: Source,
    traffic: Traffic,
    *,
    progress: ReadProgress | None = None,
    reason: str | None = None,
) -> None:
    """Emit the whole state of the source as the transaction leaves it."""
    job_id = watch.job_id
    sequence = await tx.connection.fetchval(QUERIES.next_state_sequence, job_id)
    counts = await tx.connection.fetchrow(QUERIES.measure_source, job_id)
    streams = [stream_of(job_id, row) for row in await tx.connection.fetch(QUERIES.load_streams, job_id)]
    ignored = {
        "servicePrincipalsAssigned": counts["service_principals"],
        "groupsNotSecurityEnabled": counts["not_security_enabled"],
        "nestedGroups": 0 if watch.nested_groups else counts["nested_groups"],
    }
    state = SourceState(
        job_id=job_id,
        object_type=ObjectType.SOURCE,
        object_id=SOURCE_OBJECT,
        sequence=sequence,
        kind=source.kind,
        streams=(_listing(counts), *(_stream(row) for row in sorted(streams, key=lambda row: row.stream))),
        progress=progress,
        assigned=counts["assigned"],
        assigned_groups=counts["assigned_groups"],
        suspects=counts["suspects"],
        held_removals=counts["held"],
        unknown_references=counts["unknown"],
        ignored={name: count for name, count in ignored.items() if count},
        requests=SourceRequests(
            by_kind=dict(traffic.by_kind),
            throttled=traffic.throttled,
            waited_seconds=round(traffic.waited_seconds, 1),
        ),
        drift_total=counts["drift_total"],
        reason=reason,
        at=tx.now,
    )
    tx.emit(state, event_id=derived_id("source-state", job_id, sequence))
    _HELD.labels(job_id).set(counts["held"])
    _DRIFT.labels(job_id).set(counts["drift_total"])


def measure_ages(job_id: str, streams: Iterable[StreamRow], now: datetime) -> None:
    """Set the age of each link as a metric, and warn of one that gets old: after seven days it is dead."""
    for row in streams:
        if row.issued_at is None:
            continue
        age = now - row.issued_at
        _AGE.labels(job_id, row.stream).set(age.total_seconds())
        if age > ALARM_AGE:
            _log.warning("link gets old", action="link_age", job_id=job_id, stream=row.stream, days=age.days)


def progress_of(
    users: StreamRow | None, started_at: datetime | None, now: datetime, expected: int | None
) -> ReadProgress | None:
    """Return how far an initial cycle is, by the users read so far and how long that took."""
    if users is None or started_at is None or users.shadow is None:
        return None
    read = users.shadow.records
    seconds = (now - started_at).total_seconds()
    left = None
    if expected and read:
        left = max(0, round(seconds / read * (expected - read)))
    return ReadProgress(users_read=read, expected=expected, seconds_left=left, started_at=started_at)


def _listing(row: Mapping[str, Any]) -> StreamState:
    return StreamState(
        stream=ASSIGNMENTS,
        phase=StreamPhase.LIVE if row["initial_completed"] else StreamPhase.READING,
        rounds=row["round"] - 1,
        records=row["listed_rows"],
        pages=row["listed_pages"],
        last_round_at=row["listed_at"],
    )


def _stream(row: StreamRow) -> StreamState:
    phase = StreamPhase.LIVE
    if row.generation == 0:
        phase = StreamPhase.READING
    elif row.shadow is not None or row.link is None:
        phase = StreamPhase.RESYNCING
    shadow = row.shadow
    return StreamState(
        stream=row.stream,
        phase=phase,
        generation=row.generation,
        rounds=row.rounds,
        pages=shadow.pages if shadow else row.pages,
        records=shadow.records if shadow else row.records,
        link_issued_at=row.issued_at,
        last_round_at=row.last_round_at,
        resync_started_at=shadow.started_at if shadow else None,
        resync_reason=row.resync_reason,
    )
