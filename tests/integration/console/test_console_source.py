"""The source of a job: noted right whatever the order of messages, shown with ages, erased with the job; and held removals, listed."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.console import prune
from services.console.api import shapes
from services.console.source_view import NOT_READ
from shared.contracts.source import HoldState, SourceState
from shared.runtime.frame import Frame
from tests.support.builders_console import JOB, Console, at, deliver, new_id, received
from tests.support.builders_source import HOLD, hold_fact, progress, source_state

_STATE = {
    "source_state": "SELECT job_id, sequence, state::text FROM source_state ORDER BY 1",
    "hold": "SELECT job_id, hold_id, sequence, open, held_at, at, fact::text FROM hold ORDER BY 1, 2",
}


async def state(frame: Frame) -> dict[str, list[tuple[Any, ...]]]:
    async with frame.connection() as connection:
        return {name: [tuple(row) for row in await connection.fetch(query)] for name, query in _STATE.items()}


def story() -> list[Any]:
    """Two jobs that are read, and two holds: one is approved, one grows and waits."""
    return [
        *(received(source_state(number)) for number in range(1, 6)),
        *(received(source_state(number, job="another", assigned=number)) for number in range(1, 4)),
        *(received(hold_fact(number, removals=50 + number)) for number in range(1, 4)),
        received(hold_fact(1, hold="h-2")),
        received(hold_fact(2, HoldState.APPROVED, hold="h-2")),
    ]


async def test_the_newest_sequence_wins_in_any_order_however_often_a_message_comes(frame: Frame) -> None:
    items = story()
    await deliver(frame, items)
    expected = await state(frame)
    assert [(row[0], row[1]) for row in expected["source_state"]] == [(JOB, 5), ("another", 3)]
    assert [(row[1], row[2], row[3]) for row in expected["hold"]] == [(HOLD, 3, True), ("h-2", 2, False)]
    for seed in range(4):
        async with frame.connection() as connection:
            await connection.execute(f"TRUNCATE inbox, {', '.join(_STATE)}")
        shuffled = [*items, *items]
        random.Random(seed).shuffle(shuffled)
        for start in range(0, len(shuffled), 3):
            await deliver(frame, shuffled[start : start + 3])
        assert await state(frame) == expected, f"seed {seed}"


async def test_a_crash_before_the_commit_leaves_nothing_and_the_batch_comes_again(frame: Frame) -> None:
    await deliver(frame, story(), crash=True)
    assert await state(frame) == {"source_state": [], "hold": []}
    await deliver(frame, story())
    once = await state(frame)
    await deliver(frame, story())
    assert await state(frame) == once


async def test_the_people_of_a_job_are_not_touched_by_its_holds(frame: Frame) -> None:
    await deliver(frame, story())
    async with frame.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM person") == 0


async def shown(console: Console, job: str) -> dict[str, Any]:
    reply = await console.call("GET", f"/api/v1/jobs/{job}/source", role="viewer")
    assert reply.status == 200, reply.raw
    shapes.Source.model_validate_json(reply.raw)
    document: dict[str, Any] = reply.json
    return document


async def test_before_the_first_report_the_answer_says_that_nothing_was_read(console: Console) -> None:
    job = await console.new_job()
    document = await shown(console, job)
    assert (document["kind"], document["read"], document["message"]) == ("microsoft-graph", False, NOT_READ)
    assert (document["streams"], document["progress"], document["ageSeconds"]) == ([], None, None)


async def test_the_whole_state_is_shown_with_ages_and_progress(console: Console) -> None:
    job = await console.new_job()
    now = datetime.now(UTC)
    said = source_state(2, job=job, at=now, progress=progress(250, 1000, 90), reason="paused by the operator")
    streams = tuple(stream.model_copy(update={"link_issued_at": now - timedelta(hours=3)}) for stream in said.streams)
    await deliver(console.frame, [received(said.model_copy(update={"streams": streams}))])
    document = await shown(console, job)
    assert (document["read"], document["message"], document["assigned"]) == (True, "paused by the operator", 40)
    assert 0 <= document["ageSeconds"] <= 60
    assert [stream["stream"] for stream in document["streams"]] == ["assignments", "users"]
    assert all(10_800 <= stream["linkAgeSeconds"] <= 10_860 for stream in document["streams"])
    assert document["streams"][1]["phase"] == "resyncing"
    assert (document["progress"]["percent"], document["progress"]["usersRead"]) == (25, 250)
    assert 30 <= document["progress"]["secondsLeft"] <= 90
    assert [item["count"] for item in document["ignored"]] == [3, 1]
    assert (document["heldRemovals"], document["suspects"], document["unknownReferences"]) == (5, 2, 1)


async def test_a_report_of_the_source_that_the_job_had_before_is_not_shown(console: Console) -> None:
    job = await console.new_job()
    await deliver(console.frame, [received(source_state(job=job))])
    patch = {"source": {"kind": "snapshot", "path": "people.csv"}}
    assert (await console.call("PATCH", f"/api/v1/jobs/{job}", patch)).status == 200
    document = await shown(console, job)
    assert (document["kind"], document["read"]) == ("snapshot", False)


async def test_text_that_the_database_cannot_look_into_is_kept_and_shown(console: Console) -> None:
    job = await console.new_job()
    await deliver(
        console.frame, [received(source_state(job=job, reason="a\x00b")), received(hold_fact(job=job, detail="\x00"))]
    )
    assert (await shown(console, job))["message"] == "a\x00b"
    assert (await listed(console, job))["value"][0]["detail"] == "\x00"


async def listed(console: Console, job: str, query: str = "") -> dict[str, Any]:
    reply = await console.call("GET", f"/api/v1/jobs/{job}/holds{query}", role="viewer")
    assert reply.status == 200, reply.raw
    shapes.Holds.model_validate_json(reply.raw)
    document: dict[str, Any] = reply.json
    return document


async def test_holds_are_listed_open_ones_first_page_by_page(console: Console) -> None:
    job = await console.new_job()
    assert await listed(console, job) == {"value": [], "nextCursor": None}
    said = [
        hold_fact(
            2,
            HoldState.APPROVED if number % 3 else HoldState.HELD,
            job=job,
            hold=f"h-{number}",
            held_at=at(number // 2),
        )
        for number in range(12)
    ]
    await deliver(console.frame, [*map(received, said), received(hold_fact(job=new_id()))])
    whole = (await listed(console, job))["value"]
    assert [hold["state"] for hold in whole] == ["held"] * 4 + ["approved"] * 8
    for group in (whole[:4], whole[4:]):
        assert [(hold["heldAt"], hold["id"]) for hold in group] == sorted(
            ((hold["heldAt"], hold["id"]) for hold in group),
            key=lambda pair: (-datetime.fromisoformat(pair[0]).timestamp(), pair[1]),
        )
    paged: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await listed(console, job, f"?limit=5&cursor={cursor}")
        paged += page["value"]
        cursor = page["nextCursor"]
    assert paged == whole


@pytest.mark.parametrize("path", ["source", "holds"])
async def test_a_job_that_does_not_exist_has_neither(console: Console, path: str) -> None:
    reply = await console.call("GET", f"/api/v1/jobs/unknown/{path}")
    assert (reply.status, reply.json["title"]) == (404, "No such job")


async def test_a_cursor_of_something_else_is_refused(console: Console) -> None:
    job = await console.new_job()
    reply = await console.call("GET", f"/api/v1/jobs/{job}/holds?cursor=Y2FuYXJ5")
    assert (reply.status, reply.json["errors"][0]["field"]) == (422, "cursor")


async def test_the_job_counts_the_users_whose_removal_is_held(console: Console) -> None:
    job = await console.new_job()
    said = [
        hold_fact(job=job),
        hold_fact(job=job, hold="h-2", removals=3),
        hold_fact(2, HoldState.DROPPED, job=job, hold="h-3"),
    ]
    await deliver(console.frame, [*map(received, said)])
    assert (await console.call("GET", f"/api/v1/jobs/{job}")).json["status"]["heldRemovals"] == 63


async def test_decided_holds_are_forgotten_after_the_retention_and_everything_with_the_job(console: Console) -> None:
    job = await console.new_job()
    now = datetime.now(UTC)
    said: list[SourceState | Any] = [
        source_state(job=job),
        hold_fact(job=job),  # long before today, but it waits
        hold_fact(2, HoldState.REJECTED, job=job, hold="old"),
        hold_fact(2, HoldState.REJECTED, job=job, hold="new", at=now),
    ]
    await deliver(console.frame, [*map(received, said)])
    await prune.prune(console.frame)
    assert [row[1] for row in (await state(console.frame))["hold"]] == [HOLD, "new"]
    await console.call("DELETE", f"/api/v1/jobs/{job}")
    await prune.prune(console.frame)
    assert await state(console.frame) == {"source_state": [], "hold": []}
