"""The frame over the real Kafka and PostgreSQL: delivery, order, repeats, poison, waiting, and what a crash leaves behind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from deploy.topics import create_topics
from shared.contracts.changes import Change, Command, License, LicenseDecision
from shared.contracts.ids import derived_id
from shared.contracts.topics import ALLOCATOR, CHANGES, dead_letter_topic
from shared.runtime.consume import Subscription
from shared.runtime.frame import Frame
from shared.runtime.relay import Relay
from shared.runtime.service import Service
from shared.runtime.transaction import Received, Transaction
from tests.support.eventually import eventually
from tests.support.frames import opened_frame, publish, reading, running_service, settings_for
from tests.support.messages import a_change, a_job, enveloped

Handler = Callable[[Transaction, Sequence[Received[Change]]], Any]


def service(database_url: str, kafka: str, handler: Handler, **settings: Any) -> Service:
    return Service(
        name=ALLOCATOR,
        settings=settings_for(database_url, kafka, **settings),
        subscriptions=[Subscription(message=Change, handler=handler)],
    )


async def allow(tx: Transaction, batch: Sequence[Received[Change]]) -> None:
    """Answers each change with a command."""
    for item in batch:
        command = Command(
            **item.message.model_dump(), license=License(decision=LicenseDecision.NOT_COUNTED, reason="test")
        )
        tx.emit(command, event_id=derived_id("command", item.message.key, item.message.generation), cause=item.envelope)


def of(job_id: str, records: list[Any]) -> list[Any]:
    return [record for record in records if record.key and record.key.startswith(job_id.encode())]


async def test_i1_each_message_gets_its_answer_in_order_of_its_key(database_url: str, kafka: str) -> None:
    job_id = f"job-{uuid4().hex}"
    changes = [a_change(job_id, f"user-{number % 7}", generation) for generation in range(1, 11) for number in range(7)]
    async with running_service(service(database_url, kafka, allow)), reading(kafka, Command.topic) as records:
        await publish(kafka, [(change, enveloped(change)) for change in changes])
        await eventually(lambda: len(of(job_id, records)) == len(changes), within=20)
    for user in {change.key for change in changes}:
        answered = [
            Command.model_validate_json(record.value).generation for record in records if record.key == user.encode()
        ]
        assert answered == list(range(1, 11))


async def test_the_correlation_and_trace_of_the_cause_go_on(database_url: str, kafka: str) -> None:
    job_id = f"job-{uuid4().hex}"
    change = a_change(job_id, "user-1")
    envelope = enveloped(change)
    async with running_service(service(database_url, kafka, allow)), reading(kafka, Command.topic) as records:
        await publish(kafka, [(change, envelope)])
        await eventually(lambda: of(job_id, records), within=20)
    headers = dict(of(job_id, records)[0].headers)
    assert headers["correlation_id"].decode() == envelope.correlation_id
    assert headers["ce_source"] == b"/seatkeeper/license-allocator"
    assert headers["ce_id"].decode() == str(derived_id("command", change.key, 1))


async def test_i1_a_message_that_comes_twice_is_handled_once(database_url: str, kafka: str) -> None:
    job_id = f"job-{uuid4().hex}"
    first, last = a_change(job_id, "user-1", 1), a_change(job_id, "user-1", 2)
    async with running_service(service(database_url, kafka, allow)), reading(kafka, Command.topic) as records:
        await publish(kafka, [(change, enveloped(change)) for change in (first, first, last)])
        await eventually(lambda: len(of(job_id, records)) >= 2, within=20)
    assert [Command.model_validate_json(record.value).generation for record in of(job_id, records)] == [1, 2]


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b"{not json", {}, "the body is not JSON"),
        (b"{}", {}, "field jobId: missing"),
        (b"{}", {"ce_type": b"seatkeeper.provisioning.change.v9"}, "not a type or version that this release knows"),
        (b"{}", {"ce_id": b"\xff\xfe"}, "header ce_id is not UTF-8"),
        (b"{}", {"ce_type": None}, "header ce_type is missing"),
    ],
)
async def test_i1_a_message_that_cannot_be_read_is_kept_with_its_reason_and_the_next_is_handled(
    database_url: str, kafka: str, value: bytes, headers: dict[str, bytes | None], reason: str
) -> None:
    job_id = f"job-{uuid4().hex}"
    good = a_change(job_id, "user-1")
    dead = dead_letter_topic(CHANGES.name, ALLOCATOR)
    sent = {"ce_type": Change.type.encode(), "ce_id": str(uuid4()).encode(), "ce_source": b"x", "ce_subject": b"x"}
    sent |= {"ce_time": b"2026-03-01T12:00:00Z", "ce_sequence": b"1"}
    for name, text in headers.items():
        if text is None:
            del sent[name]
        else:
            sent[name] = text
    async with running_service(service(database_url, kafka, allow)), reading(kafka, Command.topic, dead) as records:
        producer = AIOKafkaProducer(bootstrap_servers=kafka)
        await producer.start()
        await producer.send_and_wait(CHANGES.name, value, key=good.key.encode(), headers=list(sent.items()))
        await producer.stop()
        await publish(kafka, [(good, enveloped(good))])
        await eventually(lambda: len(of(job_id, records)) == 2, within=20)
    buried = next(record for record in of(job_id, records) if record.topic == dead)
    assert buried.value == value
    assert reason in dict(buried.headers)["seatkeeper-reason"].decode()


async def test_i1_a_message_whose_handler_fails_is_dead_lettered_alone(database_url: str, kafka: str) -> None:
    job_id = f"job-{uuid4().hex}"
    changes = [a_change(job_id, f"user-{number}") for number in range(8)]
    dead = dead_letter_topic(CHANGES.name, ALLOCATOR)

    async def fails_on_five(tx: Transaction, batch: Sequence[Received[Change]]) -> None:
        await allow(tx, batch)
        if any(item.message.object_id == "user-5" for item in batch):
            raise KeyError("user-5")

    async with (
        running_service(service(database_url, kafka, fails_on_five)),
        reading(kafka, Command.topic, dead) as records,
    ):
        await publish(kafka, [(change, enveloped(change)) for change in changes])
        await eventually(lambda: len(of(job_id, records)) == len(changes), within=20)
    buried = [record for record in of(job_id, records) if record.topic == dead]
    assert [record.key.decode().split("/")[1] for record in buried] == ["user-5"]
    assert b"KeyError" in dict(buried[0].headers)["seatkeeper-reason"]


async def test_past_the_limit_of_dead_letters_nothing_more_is_skipped(database_url: str, kafka: str) -> None:
    job_id = f"job-{uuid4().hex}"
    dead = dead_letter_topic(CHANGES.name, ALLOCATOR)

    async def fails(_: Transaction, __: Sequence[Received[Change]]) -> None:
        raise KeyError

    running = service(database_url, kafka, fails, dead_letters_per_hour=2)
    async with running_service(running) as stop, reading(kafka, dead) as records:
        changes = [a_change(job_id, f"user-{number}") for number in range(5)]
        await publish(kafka, [(change, enveloped(change)) for change in changes])
        await eventually(lambda: len(of(job_id, records)) == 2, within=20)
        stop.set()
    assert len(of(job_id, records)) == 2
    # What was not skipped is still there for a release that can handle it.
    async with reading(kafka, Command.topic) as later, running_service(service(database_url, kafka, allow)):
        await eventually(lambda: len({record.key for record in of(job_id, later)}) == 5, within=20)


async def test_a_message_of_a_job_that_is_not_known_yet_waits_for_its_definition(database_url: str, kafka: str) -> None:
    record = a_job(f"job-{uuid4().hex}")
    change = a_change(record.job_id, "user-1")

    async def with_job(tx: Transaction, batch: Sequence[Received[Change]]) -> None:
        await tx.jobs({item.message.job_id for item in batch})
        await allow(tx, batch)

    async with running_service(service(database_url, kafka, with_job)), reading(kafka, Command.topic) as records:
        await publish(kafka, [(change, enveloped(change))])
        await publish(kafka, [(record, enveloped(record))])
        await eventually(lambda: of(record.job_id, records), within=20)


@pytest.fixture
async def frame(database_url: str, kafka: str) -> Any:
    async with opened_frame(ALLOCATOR, settings_for(database_url, kafka)) as opened:
        yield opened


async def test_i8_a_relay_that_dies_after_publishing_repeats_the_same_ids(
    frame: Frame, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = f"job-{uuid4().hex}"
    async with frame.transaction() as tx:
        for number in range(3):
            change = a_change(job_id, f"user-{number}")
            tx.emit(change, event_id=derived_id("test", change.key))
    await create_topics(frame.settings)

    class CrashError(BaseException):
        """The end of the process: nothing that is written to survive an error catches it."""

    def crash(name: str) -> None:
        if name == "relay.after_publish":
            raise CrashError

    async with reading(kafka, Change.topic) as records:
        relay = Relay(frame)
        monkeypatch.setattr("shared.runtime.relay.crash_point", crash)
        with pytest.raises(CrashError):
            await relay.run()
        await relay.close()
        monkeypatch.undo()
        await eventually(lambda: len(of(job_id, records)) == 3, within=20)
        async with running_relay(frame):
            await eventually(lambda: len(of(job_id, records)) == 6, within=20)
    ids = [dict(record.headers)["ce_id"] for record in of(job_id, records)]
    assert set(ids[:3]) == set(ids[3:])
    async with frame.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0


@asynccontextmanager
async def running_relay(frame: Frame) -> AsyncIterator[None]:
    relay = Relay(frame)
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        frame.stopping.set()
        await task
        await relay.close()


@pytest.mark.parametrize("raised", [KeyError, asyncpg.InternalClientError, ConnectionResetError, TimeoutError])
async def test_i1_whatever_a_dying_connection_raises_the_relay_goes_on(
    frame: Frame, kafka: str, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    job_id = f"job-{uuid4().hex}"
    await create_topics(frame.settings)
    raising = iter([raised, raised])

    def fall(name: str) -> None:
        if name == "relay.before_publish" and (error := next(raising, None)):
            raise error

    monkeypatch.setattr("shared.runtime.relay.crash_point", fall)
    async with reading(kafka, Change.topic) as records, running_relay(frame):
        async with frame.transaction() as tx:
            tx.emit(a_change(job_id, "user"), event_id=uuid4())
        await eventually(lambda: of(job_id, records), within=20)


async def test_i1_the_relay_goes_on_when_its_connections_are_ended(frame: Frame, kafka: str) -> None:
    job_id = f"job-{uuid4().hex}"
    await create_topics(frame.settings)
    async with reading(kafka, Change.topic) as records, running_relay(frame):
        for number in range(5):
            async with frame.transaction() as tx:
                tx.emit(a_change(job_id, f"user-{number}"), event_id=uuid4())
            await eventually(lambda expected=number: len(of(job_id, records)) > expected, within=20)
            async with frame.connection() as connection:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )


async def test_a_relay_that_is_cancelled_ends(frame: Frame) -> None:
    relay = Relay(frame)
    task = asyncio.create_task(relay.run())
    await asyncio.wait({task}, timeout=0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await relay.close()


async def test_a_transaction_that_fails_publishes_nothing(frame: Frame) -> None:
    with pytest.raises(RuntimeError):
        async with frame.transaction() as tx:
            tx.emit(a_change("job", "user"), event_id=uuid4())
            await tx.flush()
            raise RuntimeError
    async with frame.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
