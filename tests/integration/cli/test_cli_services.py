"""What a container does: migrate, topics, run SERVICE; and what each says when something it needs is not there."""

import asyncio
import signal
import socket
from typing import Any

import aiohttp
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from shared.contracts.topics import CONSOLE, DIFF, JOBS, NOTIFIER, SERVICES
from tests.support.commands import seatkeeper, started
from tests.support.eventually import eventually
from tests.support.frames import SECRET_KEY

pytestmark = pytest.mark.timeout(180)
EXIT_CONFIG = 78
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def variables(bare_database_url: str, kafka: str) -> dict[str, str]:
    """The environment of a service: an empty database on the running PostgreSQL, and the running Kafka."""
    return {
        "SEATKEEPER_DATABASE_URL": bare_database_url,
        "SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "SEATKEEPER_SECRET_KEY": SECRET_KEY,
        "SEATKEEPER_HTTP_PORT": "0",
    }


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_without_its_variables_names_them(service: str) -> None:
    ran = await seatkeeper("run", service, env={"SEATKEEPER_LOG_LEVEL": "canary"})
    assert (ran.code, ran.out) == (EXIT_CONFIG, "")
    for variable in ("SEATKEEPER_DATABASE_URL", "SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS", "SEATKEEPER_LOG_LEVEL"):
        assert variable in ran.sentence
    assert "canary" not in ran.err


async def test_a_service_on_a_database_that_is_not_migrated_says_so(variables: dict[str, str]) -> None:
    for service in (DIFF, CONSOLE):
        ran = await seatkeeper("run", service, env=variables)
        assert ran.code == EXIT_CONFIG, ran.err
        assert "seatkeeper migrate" in ran.err.strip().splitlines()[-1]
        assert "Traceback" not in ran.err


async def test_migrate_may_be_run_again_and_token_create_needs_it(variables: dict[str, str]) -> None:
    early = await seatkeeper("token", "create", "--name", "too early", env=variables)
    assert early.code == 1
    assert "seatkeeper migrate" in early.sentence
    first = await seatkeeper("migrate", env=variables)
    again = await seatkeeper("migrate", env=variables)
    assert (first.code, again.code) == (0, 0)
    assert [line.partition(":")[0] for line in first.out.splitlines()] == list(SERVICES)
    assert "nothing to do" not in first.out
    assert again.out.splitlines() == [f"{service}: nothing to do" for service in SERVICES]


async def test_a_service_whose_topics_are_missing_names_them_and_topics_creates_just_those(
    kafka: str, variables: dict[str, str]
) -> None:
    # A topic of dead letters, in which there is nothing: nobody else misses it.
    missing = JOBS.dead_letters(NOTIFIER)
    await seatkeeper("migrate", NOTIFIER, env=variables)
    assert (await seatkeeper("topics", env=variables)).code == 0
    await delete_topic(kafka, missing)
    ran = await seatkeeper("run", NOTIFIER, env=variables)
    assert ran.code == EXIT_CONFIG, ran.err
    last = ran.err.strip().splitlines()[-1]
    assert missing in last
    assert "seatkeeper topics" in last
    first = await seatkeeper("topics", env=variables)
    again = await seatkeeper("topics", env=variables)
    assert (first.code, first.out) == (0, f"created {missing}\n")
    assert (again.code, again.out) == (0, "nothing to do\n")


async def delete_topic(kafka: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([name])

        async def gone() -> bool:
            return name not in await admin.list_topics()

        await eventually(gone, within=10)
    finally:
        await admin.close()


@pytest.mark.parametrize(
    ("command", "name"),
    [(("migrate",), "PostgreSQL"), (("topics",), "Kafka"), (("token", "create", "--name", "x"), "PostgreSQL")],
)
async def test_servers_that_are_away_are_told_in_one_sentence_without_the_password(
    command: tuple[str, ...], name: str
) -> None:
    ran = await seatkeeper(*command, env=nowhere())
    assert ran.code == 1
    assert name in ran.sentence
    assert "canary" not in ran.err


def nowhere() -> dict[str, str]:
    return {
        "SEATKEEPER_DATABASE_URL": f"postgresql://seatkeeper:canary-password@{NOWHERE}/seatkeeper",
        "SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS": NOWHERE,
        "SEATKEEPER_SECRET_KEY": SECRET_KEY,
    }


@pytest.mark.parametrize("service", [DIFF, CONSOLE])
async def test_a_service_whose_database_is_away_waits_says_why_and_stops_promptly(service: str) -> None:
    port = free_port()
    async with started("run", service, env={**nowhere(), "SEATKEEPER_HTTP_PORT": str(port)}) as process:
        status, body = await eventually(lambda: asked(f"http://127.0.0.1:{port}/readyz"), within=20, every=0.1)
        assert status == 503
        assert "PostgreSQL cannot be reached" in body["waiting"]["postgresql"]
        assert (await asked(f"http://127.0.0.1:{port}/livez") or (0,))[0] == 200
        assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            out, err = await process.communicate()
    assert process.returncode == 0
    assert b"canary" not in out + err
    assert b"Traceback" not in out + err


async def asked(url: str) -> tuple[int, dict[str, Any]] | None:
    """Status and body once the service waits for something and says so, or nothing before."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            body = await response.json()
    except aiohttp.ClientError:
        return None
    return (response.status, body) if "live" in body or body.get("waiting") else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
