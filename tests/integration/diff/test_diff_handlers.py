"""diff on a real PostgreSQL, through the frame: repeats, swaps, crashes, retries, jobs that are unknown, paused or deleted."""

import asyncio
import itertools
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.diff.app import build
from services.diff.handlers import Handlers
from services.diff.retries import retry_timer
from services.diff.settings import DiffSettings
from shared.contracts.changes import Change
from shared.contracts.control import JobRecord, ScheduleState
from shared.contracts.message import Message, ObjectType
from shared.contracts.outcomes import LicenseState, Result
from shared.contracts.public import ProvisionedUser, ProvisioningEvent
from shared.runtime.consume import BatchConsumer
from shared.runtime.errors import JobUnknownError
from shared.runtime.frame import Frame
from shared.runtime.jobs import store_jobs
from shared.runtime.transaction import Received
from tests.support.builders_diff import (
    BACKOFF,
    DEFAULT_ACCESS,
    JOB,
    OBJECT,
    assignment,
    job_record,
    license_fact,
    marks,
    outcome,
    received,
    records,
)
from tests.support.eventually import eventually
from tests.support.frames import outbox, publish, reading, running_service, settings_for

HANDLERS = Handlers(backoff=BACKOFF, retry_batch=500)


def consumer(frame: Frame) -> BatchConsumer:
    service = build(frame.settings)  # type: ignore[arg-type] # the fixture made it of DiffSettings
    return BatchConsumer(frame, "test", service.subscriptions)


async def give(frame: Frame, *messages: Message) -> None:
    """Handles one batch as the consumer loop does."""
    await consumer(frame).handle(records(*(received(message) for message in messages)))


async def emitted(frame: Frame, kind: type[Message] = Change, object_id: str = OBJECT) -> list[Any]:
    found = [
        kind.model_validate(row["payload"]) for row in await outbox(frame) if row["headers"]["ce_type"] == kind.type
    ]
    return [message for message in found if message.object_id == object_id]


async def row(frame: Frame, object_id: str = OBJECT) -> Any:
    async with frame.connection() as connection:
        return await connection.fetchrow("SELECT * FROM person WHERE object_id = $1", object_id)


async def release(frame: Frame) -> None:
    """Sends the removals that their cycle lets out, as the loop does."""
    async with frame.transaction() as tx:
        assert await HANDLERS.release(tx, JOB, "cycle-1") == 1


async def retry(frame: Frame, at: datetime) -> int:
    async with frame.transaction() as tx:
        tx.now = at
        return await HANDLERS.retries(tx)


async def test_i1_assigned_done_changed_and_left_end_in_one_status_each(frame: Frame) -> None:
    await give(frame, assignment(), assignment(object_id="other", roles=[DEFAULT_ACCESS]))
    [creation] = await emitted(frame)
    await give(frame, outcome(creation))
    assert (await row(frame))["status"] == "provisioned"
    assert (await row(frame, "other"))["status"] == "skipped"
    await give(frame, assignment(2, surname="Sample"))
    update = (await emitted(frame))[-1]
    await give(frame, outcome(update), assignment(3, assigned=False), *marks())
    await release(frame)
    disable = (await emitted(frame))[-1]
    assert [disable.operation, disable.target_id, disable.generation] == ["disable", "target-1", 3]
    await give(frame, outcome(disable))
    assert (await row(frame))["status"] == "disabled"
    states = [user.status for user in await emitted(frame, ProvisionedUser)]
    assert states[0] == "provisioned"
    assert states[-1] == "disabled"


async def test_i8_public_events_of_a_person_have_no_gap_and_stable_ids(frame: Frame) -> None:
    await give(frame, assignment())
    [creation] = await emitted(frame)
    await give(frame, outcome(creation))
    await give(frame, assignment(2, assigned=False), *marks())
    await release(frame)
    events = await emitted(frame, ProvisioningEvent)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    ids = [item["headers"]["ce_id"] for item in await outbox(frame)]
    assert len(ids) == len(set(ids))


async def test_a_message_that_comes_twice_counts_once(frame: Frame) -> None:
    await give(frame, assignment(), assignment())
    await give(frame, assignment())
    [creation] = await emitted(frame)
    await give(frame, outcome(creation), outcome(creation))
    before = await outbox(frame)
    await give(frame, outcome(creation))
    assert await outbox(frame) == before


async def test_a_message_that_comes_again_under_another_id_changes_nothing(frame: Frame) -> None:
    await give(frame, assignment())
    [creation] = await emitted(frame)
    await give(frame, outcome(creation))
    before = await outbox(frame)
    again: list[Received[Any]] = [
        received(assignment(), event="again"),
        received(outcome(creation), event="again"),
    ]
    await consumer(frame).handle(records(*again))
    assert await outbox(frame) == before


async def test_i4_two_swapped_messages_end_as_the_newer_one_says(frame: Frame) -> None:
    await give(frame, assignment(2, surname="Sample"), assignment(1))
    [creation] = await emitted(frame)
    assert creation.resource["name.familyName"] == "Sample"
    await give(frame, assignment(3, surname="Newest"))
    newest = (await emitted(frame))[-1]
    await give(frame, outcome(newest), outcome(creation))
    stored = await row(frame)
    assert (stored["status"], stored["settled_generation"], "Newest" in stored["confirmed"]) == ("provisioned", 2, True)


async def test_many_messages_of_one_person_in_one_batch_are_folded_in_order(frame: Frame) -> None:
    await give(frame, assignment(1), assignment(2, surname="Two"), assignment(3, assigned=False), assignment(4))
    assert [(item.generation, item.operation) for item in await emitted(frame)] == [
        (1, "create"),
        (2, "create"),
        (3, "create"),
    ]


async def test_a_crash_before_the_commit_leaves_nothing_and_the_repeat_says_the_same(
    frame: Frame, database_url: str
) -> None:
    await crash(database_url, "consume.before_commit", "await consumer(frame).handle(records(received(assignment())))")
    assert await row(frame) is None
    assert await outbox(frame) == []
    await give(frame, assignment())
    assert [item.generation for item in await emitted(frame)] == [1]


async def test_retries_come_with_a_growing_delay_and_carry_what_is_wanted_by_then(frame: Frame) -> None:
    await give(frame, assignment())
    delays = []
    for attempt in range(1, 5):
        sent = (await emitted(frame))[-1]
        assert (sent.generation, sent.attempt) == (attempt, attempt)
        before = datetime.now(UTC)
        await give(frame, outcome(sent, Result.FAILED))
        due = (await row(frame))["next_attempt_at"]
        delays.append((due - before).total_seconds())
        assert await retry(frame, due - timedelta(seconds=1)) == 0
        assert await retry(frame, due) == 1
        assert await retry(frame, due) == 0
    assert all(later > 1.5 * sooner for sooner, later in itertools.pairwise(delays))
    headers = [item["headers"] for item in await outbox(frame) if item["headers"]["ce_type"] == Change.type]
    assert {header["correlation_id"] for header in headers} == {f"flow of {OBJECT}"}


async def test_a_crash_of_the_retry_timer_before_its_commit_repeats_the_attempt(
    frame: Frame, database_url: str
) -> None:
    await give(frame, assignment())
    [sent] = await emitted(frame)
    await give(frame, outcome(sent, Result.FAILED))
    async with frame.connection() as connection:
        await connection.execute("UPDATE person SET next_attempt_at = now()")
    await crash(database_url, "diff.retry.before_commit", "await retry_timer(HANDLERS).run(frame)")
    assert len(await emitted(frame)) == 1
    assert await retry(frame, datetime.now(UTC)) == 1
    assert [item.generation for item in await emitted(frame)] == [1, 2]


async def test_the_timer_serves_what_is_due_by_itself(frame: Frame) -> None:
    await give(frame, assignment())
    [sent] = await emitted(frame)
    await give(frame, outcome(sent, Result.FAILED))
    loop = asyncio.ensure_future(retry_timer(HANDLERS).run(frame))
    async with frame.connection() as connection:
        await connection.execute("UPDATE person SET next_attempt_at = now() + interval '0.1 s'")

    async def tried_again() -> bool:
        return len(await emitted(frame)) == 2

    await eventually(tried_again)
    frame.stopping.set()
    await loop


async def test_a_paused_job_is_not_tried_again_until_it_runs(frame: Frame) -> None:
    await give(frame, assignment())
    [sent] = await emitted(frame)
    await give(frame, outcome(sent, Result.FAILED))
    later = datetime.now(UTC) + timedelta(days=2)
    await define(frame, job_record(version=2, schedule=ScheduleState.PAUSED))
    assert await retry(frame, later) == 0
    await define(frame, job_record(version=3))
    assert await retry(frame, later) == 1


async def test_messages_of_a_deleted_job_are_passed_over(frame: Frame) -> None:
    await define(frame, job_record(version=2, deleted=True))
    await give(frame, assignment(), assignment(object_id="group", object_type=ObjectType.GROUP))
    assert await outbox(frame) == []


async def define(frame: Frame, record: JobRecord) -> None:
    async with frame.transaction() as tx:
        await store_jobs(tx, [received(record)])


async def test_a_message_waits_for_the_definition_of_its_job(frame: Frame) -> None:
    early = received(assignment(job_id="job-2"))
    with pytest.raises(JobUnknownError):
        async with frame.transaction() as tx:
            await HANDLERS.assignments(tx, [early])
    waiting = asyncio.create_task(consumer(frame).handle(records(early)))
    await eventually(lambda: "test" in frame.health.waiting)
    assert not waiting.done()
    await define(frame, job_record("job-2"))
    await waiting
    assert len(await emitted(frame)) == 1


async def test_waiting_for_a_license_and_the_end_of_it_in_one_batch_ends_as_provisioned(frame: Frame) -> None:
    await give(frame, assignment())
    [creation] = await emitted(frame)
    await give(frame, license_fact(LicenseState.WAITING))
    assert (await row(frame))["status"] == "waiting"
    await give(frame, outcome(creation), license_fact(LicenseState.RESERVED, sequence=2))
    assert (await row(frame))["status"] == "provisioned"


async def test_what_diff_itself_said_needs_no_job_and_no_lock(frame: Frame) -> None:
    own = outcome((await creation_of(frame)), Result.SKIPPED, job_id="nobody-knows")
    before = await outbox(frame)
    await give(frame, own)
    assert await outbox(frame) == before


async def creation_of(frame: Frame) -> Change:
    await give(frame, assignment())
    found: Change = (await emitted(frame))[0]
    return found


async def test_an_outcome_of_somebody_unknown_is_passed_over(frame: Frame) -> None:
    stranger = outcome(await creation_of(frame), object_id="stranger")
    before = await outbox(frame)
    await give(frame, stranger)
    assert await outbox(frame) == before


async def test_two_processes_with_the_same_people_do_not_hinder_each_other(frame: Frame) -> None:
    people = [f"person-{number}" for number in range(50)]
    await give(frame, *(assignment(object_id=name) for name in people))
    forth = [assignment(2, object_id=name, surname="Sample") for name in people]
    sent = [(await emitted(frame, object_id=name))[0] for name in people]
    back = [outcome(change) for change in reversed(sent)]
    await asyncio.gather(give(frame, *forth), give(frame, *back))
    async with frame.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM person WHERE linked AND sent_generation = 2") == 50


async def test_the_service_over_kafka(database_url: str, kafka: str) -> None:
    job_id = f"job-{os.urandom(6).hex()}"
    service = build(settings_for(database_url, kafka, kind=DiffSettings))
    async with running_service(service), reading(kafka, Change.topic) as seen:
        arrived: list[Received[Any]] = [received(job_record(job_id)), received(assignment(job_id=job_id))]
        await publish(kafka, [(item.message, item.envelope) for item in arrived])
        found = await eventually(lambda: [item for item in seen if item.key.startswith(job_id.encode())], within=20)
    assert Change.model_validate_json(found[0].value).operation == "create"


async def crash(database_url: str, point: str, step: str) -> None:
    """Runs one step in a process of its own that is killed at a crash point."""
    program = f"""
import asyncio
from tests.integration.diff.test_diff_handlers import *
from tests.support.frames import opened_frame
from shared.runtime import crashpoints

async def main():
    async with opened_frame("diff", settings_for({database_url!r}, kind=DiffSettings)) as frame:
        crashpoints.arm("{point}:1")
        {step}

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
