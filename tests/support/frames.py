"""A frame, or a whole service, on the servers of the test run."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.topics import create_topics
from shared.contracts.assignments import CycleMark
from shared.contracts.cloudevents import Envelope, headers_of
from shared.contracts.message import Message
from shared.runtime.database import Database
from shared.runtime.frame import Frame
from shared.runtime.health import Health
from shared.runtime.migrations import migrate
from shared.runtime.service import Service, serve
from shared.runtime.settings import Settings
from tests.support.eventually import eventually

SECRET_KEY = base64.b64encode(bytes(32)).decode()


def settings_for(database_url: str, kafka: str = "127.0.0.1:1", kind: type[Settings] = Settings, **more: Any) -> Any:
    """Settings of a service in a test: a free port, and a batch wait that is short."""
    return kind(
        database_url=database_url,
        kafka_bootstrap_servers=kafka,
        secret_key=SECRET_KEY,
        http_port=0,
        allow_insecure_loopback=True,
        **more,
    )


@asynccontextmanager
async def opened_frame(service: str, settings: Settings) -> AsyncIterator[Frame]:
    """A frame on a migrated schema, without Kafka."""
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    await migrate(connection, service)
    await connection.close()
    health = Health()
    frame = Frame(name=service, settings=settings, health=health, database=Database(service, settings, health))
    await frame.database.open()
    try:
        yield frame
    finally:
        frame.stopping.set()
        await frame.database.close()


@asynccontextmanager
async def running_service(service: Service) -> AsyncIterator[asyncio.Event]:
    """A service that runs in this process until the block ends; yields its stop event."""
    connection = await asyncpg.connect(service.settings.database_url.get_secret_value())
    await migrate(connection, service.name)
    await connection.close()
    await create_topics(service.settings)
    stop = asyncio.Event()
    task = asyncio.create_task(serve(service, stop))
    try:
        yield stop
    finally:
        stop.set()
        await task


async def publish(kafka: str, messages: Sequence[tuple[Message, Envelope]]) -> None:
    """Publish messages as another service's relay would."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True)
    await producer.start()
    try:
        for message, envelope in messages:
            headers = [(name, value.encode()) for name, value in headers_of(envelope).items()]
            partition = message.partition if isinstance(message, CycleMark) else None
            await producer.send(
                message.topic, message.body(), key=message.key.encode(), headers=headers, partition=partition
            )
        await producer.flush()
    finally:
        await producer.stop()


@asynccontextmanager
async def reading(kafka: str, *topics: str) -> AsyncIterator[list[Any]]:
    """Everything that these topics get from now on, as a growing list of records."""
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=kafka, auto_offset_reset="latest", enable_auto_commit=False)
    await consumer.start()
    await eventually(consumer.assignment, within=10)
    for partition in consumer.assignment():
        await consumer.seek_to_end(partition)
    records: list[Any] = []

    async def collect() -> None:
        async for record in consumer:
            records.append(record)

    task = asyncio.create_task(collect())
    try:
        yield records
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await consumer.stop()


async def outbox(frame: Frame) -> list[dict[str, Any]]:
    """The outbox rows in order, with parsed headers and payload."""
    async with frame.connection() as connection:
        rows = await connection.fetch("SELECT * FROM outbox ORDER BY id")
    return [
        {**row, "headers": orjson.loads(row["headers"]), "payload": row["payload"] and orjson.loads(row["payload"])}
        for row in rows
    ]
