"""However the program ends, nothing of it runs on, its ports are closed, and its data is there at the next start."""

import asyncio
import os
import signal
import socket
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.integration.embedded.conftest import alive
from tests.support.eventually import eventually

_TOPIC = "survivors"


def _listening(urls: dict[str, str]) -> bool:
    addresses = [urlsplit(urls["databaseUrl"]), urlsplit(f"//{urls['kafkaBootstrapServers']}")]
    for address in addresses:
        with socket.socket() as probe:
            if probe.connect_ex((address.hostname, address.port)) == 0:
                return True
    return False


async def _write(urls: dict[str, str]) -> None:
    connection = await asyncpg.connect(urls["databaseUrl"])
    await connection.execute("CREATE TABLE survivors (name text); INSERT INTO survivors VALUES ('row')")
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=urls["kafkaBootstrapServers"])
    await admin.start()
    await admin.create_topics([NewTopic(_TOPIC, num_partitions=1, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=urls["kafkaBootstrapServers"], acks="all") as producer:
        await producer.send_and_wait(_TOPIC, b"record")


async def _read(urls: dict[str, str]) -> tuple[str, bytes]:
    connection = await asyncpg.connect(urls["databaseUrl"])
    name = await connection.fetchval("SELECT name FROM survivors")
    await connection.close()
    async with AIOKafkaConsumer(
        _TOPIC, bootstrap_servers=urls["kafkaBootstrapServers"], auto_offset_reset="earliest"
    ) as consumer:
        record = await consumer.getone()
    return name, record.value


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_nothing_survives_and_the_data_is_there_again(start_program, number):
    program = start_program()
    urls = await program.urls()
    await _write(urls)
    family = program.family()
    assert {"postgres", "java"} <= {process.name() for process in family}

    code = await program.end(number)

    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    await eventually(lambda: not any(alive(process) for process in family), within=20)
    assert not _listening(urls)

    again = start_program()
    assert await again.urls() == urls, "ports and password stay"
    assert await _read(urls) == ("row", b"record")


async def test_a_session_that_computes_does_not_outlive_the_server(start_program):
    program = start_program()
    connection = await asyncpg.connect((await program.urls())["databaseUrl"])
    computing = asyncio.create_task(connection.execute("SELECT count(*) FROM generate_series(1, 100000000000)"))
    family = await eventually(
        lambda: [
            process for process in program.family() if process.name() == "postgres" and process.cpu_percent(0.1) > 20
        ]
    )

    await program.end(signal.SIGKILL)

    await eventually(lambda: not any(alive(process) for process in family), within=20)
    with pytest.raises(asyncpg.PostgresError):
        await computing


async def test_a_start_that_is_given_up_leaves_nothing(start_program):
    program = start_program()
    family = await eventually(
        lambda: [p for p in program.family() if p.name() in {"initdb", "java", "postgres"}], within=20
    )
    family += program.family()

    await program.end(signal.SIGINT)

    await eventually(lambda: not any(alive(process) for process in family), within=20)


async def test_folders_that_a_killed_start_left_half_written_are_made_again(start_program, folder):
    program = start_program()
    await eventually((folder / "postgres" / "PG_VERSION").exists, within=20, every=0.001)
    family = program.family()
    await program.end(signal.SIGKILL)
    await eventually(lambda: not any(alive(process) for process in family), within=20)
    assert not (folder / "postgres.made").exists()
    (folder / "kafka").mkdir(exist_ok=True)
    (folder / "kafka" / "meta.properties").write_text("half")
    (folder / "kafka.made").unlink(missing_ok=True)

    again = start_program()

    assert (await again.urls())["kafkaBootstrapServers"]


async def test_a_second_run_on_the_same_folder_says_who_holds_it(start_program):
    program = start_program()
    await program.urls()

    assert f"in use by process {program.popen.pid}" in await start_program().failure()


async def test_a_pid_file_whose_number_is_now_another_program_does_not_stop_the_server(start_program, folder):
    program = start_program()
    urls = await program.urls()
    family = program.family()
    pid_file = folder / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    await program.end(signal.SIGKILL)
    await eventually(lambda: not any(alive(process) for process in family), within=20)
    # Pid 1 always runs, and is never a PostgreSQL of ours.
    pid_file.write_text("\n".join(["1", *lines[1:]]))

    again = start_program()

    assert await again.urls() == urls


async def test_a_kept_port_that_is_taken_is_named_with_its_holder(start_program, folder):
    program = start_program()
    urls = await program.urls()
    await program.end(signal.SIGTERM)
    port = urlsplit(urls["databaseUrl"]).port
    with socket.socket() as occupant:
        occupant.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        occupant.bind(("127.0.0.1", port))
        occupant.listen()
        said = await start_program().failure()
    assert f"Port {port}" in said
    assert f"process {os.getpid()}" in said
