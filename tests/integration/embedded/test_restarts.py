"""A server that dies comes back where it was, under a supervisor that lives on."""

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.embedded import Supervisor, embedded_servers, open_data_folder
from tests.support.eventually import eventually


@pytest.fixture
async def private(folder):
    with open_data_folder(folder) as opened:
        async with (
            Supervisor(log_folder=opened.logs, record=opened.processes) as supervisor,
            embedded_servers(opened, supervisor) as servers,
        ):
            yield supervisor, servers


async def test_killed_servers_come_back_with_what_they_acknowledged(private):
    supervisor, servers = private
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute("CREATE TABLE kept (name text); INSERT INTO kept VALUES ('row')")
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait("kept", b"record")
    before = {usage.name: usage for usage in supervisor.usage()}

    for name in ("postgres", "kafka"):
        supervisor.kill(name)
    await eventually(connection.is_closed)
    for name in ("postgres", "kafka"):
        assert (await supervisor.ready(name)).pid != before[name].pid

    connection = await asyncpg.connect(servers.database_url)
    assert await connection.fetchval("SELECT name FROM kept") == "row"
    await connection.close()
    async with AIOKafkaConsumer(
        "kept", bootstrap_servers=servers.kafka_bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        assert (await consumer.getone()).value == b"record"
    after = {usage.name: usage for usage in supervisor.usage()}
    for name in ("postgres", "kafka"):
        assert after[name].restarts >= 1
        assert after[name].cpu_seconds > before[name].cpu_seconds


async def test_the_database_keeps_what_it_promises(private):
    _, servers = private
    connection = await asyncpg.connect(servers.database_url)
    try:
        settings = {
            name: await connection.fetchval(f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "full_page_writes")
        }
        assert set(settings.values()) == {"on"}
        assert await connection.fetchval("SHOW listen_addresses") == "127.0.0.1"
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
    finally:
        await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(servers.database_url, password="not-the-password")
