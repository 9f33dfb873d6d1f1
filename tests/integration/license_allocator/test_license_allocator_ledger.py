"""license-allocator on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.license_allocator import store
from services.license_allocator.app import build
from services.license_allocator.handlers import Handlers
from services.license_allocator.line import Line
from services.license_allocator.settings import AllocatorSettings
from shared.contracts.changes import Change, Operation
from shared.contracts.cloudevents import headers_of
from shared.contracts.message import Message
from shared.contracts.outcomes import Result
from shared.runtime.consume import BatchConsumer
from shared.runtime.database import Database
from shared.runtime.errors import JobUnknownError
from shared.runtime.frame import Frame
from shared.runtime.health import Health
from shared.runtime.jobs import Jobs
from shared.runtime.transaction import Received, transaction
from tests.support.builders_license_allocator import (
    HANDLERS,
    JOB,
    Model,
    allocator_database,
    change,
    check,
    define,
    give,
    job_record,
    outbox,
    outcome,
    received,
    users,
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with allocator_database(database_url) as opened:
        yield opened


async def test_i3_licenses_are_handed_out_in_order_and_the_line_moves_when_one_is_freed(database: Database) -> None:
    emitted = await give(
        database, job_record(2), *(change(user, assigned=number) for number, user in enumerate("abcd"))
    )
    assert users(emitted, "command") == ["a", "b"]
    assert users(emitted, "license") == ["c", "d"]
    await give(database, outcome("a"), outcome("b"))
    await give(database, change("b", 2, active=False, target_id="t-b"))
    emitted = await give(database, outcome("b", 2, operation=Operation.DISABLE))
    [(_, command)] = [item for item in emitted if "command" in item[0]]
    assert (command["objectId"], command["license"]["decision"], command["license"]["ticket"]) == ("c", "reserved", 3)
    assert command["resource"] == change("c").resource
    facts = [
        (body["objectId"], body["state"], body["inUse"], body["waiting"]) for kind, body in emitted if "fact" in kind
    ]
    assert facts == [("b", "released", 1, 2), ("c", "reserved", 2, 1)]
    pool = await check(database, at_least=2)
    assert pool["waiting"] == 1


async def test_a_waiting_user_keeps_its_own_correlation_id(database: Database) -> None:
    await give(database, job_record(1), change("a"), change("b", 5))
    await give(database, outcome("a", result=Result.FAILED))
    async with database.connection() as connection:
        headers = await connection.fetchval("SELECT headers FROM outbox WHERE topic = 'provisioning.commands.v1'")
    assert "why-b-5" in headers


async def test_a_raised_capacity_lets_the_head_of_the_line_out_at_once(database: Database) -> None:
    await give(database, job_record(1), *(change(user, assigned=number) for number, user in enumerate("abcd")))
    emitted = await give(database, job_record(3, version=2))
    assert users(emitted, "command") == ["b", "c"]
    await check(database, at_least=3)


async def test_an_older_definition_resizes_nothing(database: Database) -> None:
    await give(database, job_record(1, version=5), change("a"), change("b"))
    assert users(await give(database, job_record(9, version=4)), "command") == []
    assert (await check(database))["capacity"] == 1


async def test_a_lowered_capacity_evicts_nobody_and_says_overcommitted(database: Database) -> None:
    await give(database, job_record(3), change("a"), change("b"), change("c"), change("d"))
    assert await give(database, job_record(1, version=2)) == []
    pool = await check(database, at_least=3)
    assert pool["overcommitted"]
    emitted = await give(database, outcome("a", result=Result.FAILED), outcome("b", result=Result.FAILED))
    assert users(emitted, "command") == []
    pool = await check(database, at_least=1)
    assert not pool["overcommitted"]
    emitted = await give(database, outcome("c", result=Result.FAILED))
    assert users(emitted, "command") == ["d"]


async def test_the_policy_lets_users_out_without_a_license(database: Database) -> None:
    record = job_record(1, when_exhausted="provision_without_license")
    emitted = await give(database, record, change("a"), change("b"))
    decisions = [body["license"]["decision"] for kind, body in emitted if "command" in kind]
    assert decisions == ["reserved", "noneLeft"]


async def test_auto_assign_off_keeps_no_rows(database: Database) -> None:
    emitted = await give(database, job_record(1, auto_assign=False), change("a"), change("b"))
    assert [body["license"]["decision"] for kind, body in emitted if "command" in kind] == ["notCounted"] * 2
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM license") == 0


async def test_auto_assign_turned_off_empties_the_line(database: Database) -> None:
    await give(database, job_record(0), change("a"), change("b"))
    emitted = await give(database, job_record(0, version=2, auto_assign=False))
    assert users(emitted, "command") == ["a", "b"]
    assert (await check(database))["waiting"] == 0


async def test_who_leaves_the_line_unwritten_is_withdrawn(database: Database) -> None:
    await give(database, job_record(0), change("a"))
    emitted = await give(database, change("a", 2, active=False))
    assert users(emitted, "command") == []
    [body] = [body for kind, body in emitted if "outcome" in kind]
    assert (body["result"], body["generation"], body["operation"]) == ("withdrawn", 2, "disable")


async def test_the_newest_change_of_a_waiting_user_is_the_one_that_goes_out(database: Database) -> None:
    await give(database, job_record(0), change("a"), change("b"))
    await give(database, change("a", 2))
    emitted = await give(database, job_record(1, version=2))
    assert [(body["objectId"], body["generation"]) for kind, body in emitted if "command" in kind] == [("a", 2)]


async def test_two_changes_of_one_user_swapped_leave_the_newer_one_standing(database: Database) -> None:
    await give(database, job_record(1), change("a", 2, active=False))
    assert await give(database, change("a", 1)) == []
    assert (await check(database))["in_use"] == 0


async def test_a_job_whose_definition_has_not_come_yet_makes_the_batch_wait(database: Database) -> None:
    with pytest.raises(JobUnknownError):
        await give(database, change("a"))


async def test_i2_the_database_itself_refuses_to_over_issue(database: Database) -> None:
    await give(database, job_record(1), change("a"))
    async with database.connection() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE pool SET in_use = 2")
        pools = await store.lock_pools(connection, [JOB])
        from dataclasses import replace

        with pytest.raises(store.LedgerBrokenError):
            await store.save_pools(connection, [replace(pools[JOB], in_use=2)])


async def test_a_crash_before_the_commit_leaves_no_trace(database: Database) -> None:
    await give(database, job_record(1))

    async def cut_off() -> None:
        async with transaction(database, Jobs()) as tx:
            await HANDLERS.on_changes(tx, received(change("a"), change("b")))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        await cut_off()
    assert (await check(database))["next_ticket"] == 1
    emitted = await give(database, change("a"), change("b"))
    assert users(emitted, "command") == ["a"]
    await check(database, at_least=1)


async def test_i2_two_at_once_at_the_last_license_are_served_one_after_the_other(database_url: str) -> None:
    async with allocator_database(database_url) as one, allocator_database(database_url) as two:
        await give(one, job_record(3), change("a"), change("b"))
        ready = asyncio.Barrier(2)

        async def ask(database: Database, user: str) -> None:
            async with transaction(database, Jobs()) as tx:
                await ready.wait()
                await HANDLERS.on_changes(tx, received(change(user)))

        await asyncio.gather(ask(one, "c"), ask(two, "d"))
        pool = await check(one, at_least=3)
        assert (pool["in_use"], pool["waiting"]) == (3, 1)


async def test_i2_i3_a_stampede_of_processes_takes_each_license_once(database_url: str) -> None:
    async with allocator_database(database_url, connections=8) as database:
        await give(database, job_record(100))
        numbers = iter(range(100_000))

        async def ask(process: int) -> None:
            for _ in range(6):
                batch = [change(f"p{process}-{next(numbers)}") for _ in range(25)]
                async with transaction(database, Jobs()) as tx:
                    await HANDLERS.on_changes(tx, received(*batch))
                ended = [outcome(item.object_id, result=Result.FAILED) for item in batch[::3]]
                async with transaction(database, Jobs()) as tx:
                    await HANDLERS.on_outcomes(tx, received(*ended))

        async def resize() -> None:
            for version, capacity in enumerate((40, 120, 10, 100), start=2):
                async with transaction(database, Jobs()) as tx:
                    await define(tx, HANDLERS, job_record(capacity, version=version))
                await check(database)

        await asyncio.gather(*(ask(process) for process in range(6)), resize())
        pool = await check(database)
        assert pool["in_use"] >= 100
        assert pool["overcommitted"] == (pool["in_use"] > 100), "only a lowered capacity may lie below the use"


@dataclass
class FakeRecord:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def kafka_records(items: Sequence[Received[Any]]) -> list[FakeRecord]:
    return [
        FakeRecord(
            topic=item.topic,
            partition=0,
            offset=offset,
            key=item.message.key.encode(),
            value=item.message.body(),
            headers=[(name, value.encode()) for name, value in headers_of(item.envelope).items()],
        )
        for offset, item in enumerate(items)
    ]


async def test_through_the_frame_a_message_that_comes_twice_counts_once(database: Database, database_url: str) -> None:
    service = build(AllocatorSettings(database_url=database_url, kafka_bootstrap_servers="unused:1"))
    frame = Frame(name=service.name, settings=service.settings, health=Health(), database=database)
    consumer = BatchConsumer(frame, "test", service.subscriptions)
    await give(database, job_record(2))
    asked = kafka_records(received(change("a"), change("b"), change("c")))
    ended = kafka_records(received(outcome("a", result=Result.FAILED)))
    await consumer.handle([*asked, *asked])
    await consumer.handle([*ended, *asked])
    await consumer.handle(ended)
    async with database.connection() as connection:
        emitted = await outbox(connection)
    assert users(emitted, "command") == ["a", "b", "c"]
    assert (await check(database))["in_use"] == 2


async def test_the_loop_moves_a_long_line_in_bounded_steps_and_in_order(database: Database, database_url: str) -> None:
    few = Handlers(most_from_line=3)
    await give(database, job_record(0), *(change(f"u{number}", assigned=number) for number in range(8)), handlers=few)
    emitted = await give(database, job_record(7, version=2), handlers=few)
    assert users(emitted, "command") == ["u0", "u1", "u2"]
    emitted = await give(database, change("new", assigned=0), handlers=few)
    assert users(emitted, "command") == ["u3", "u4", "u5"], "nobody overtakes the line while it moves"
    frame = Frame(
        name="license-allocator",
        settings=AllocatorSettings(database_url=database_url, kafka_bootstrap_servers="unused:1"),
        health=Health(),
        database=database,
    )
    line = Line(few, every_seconds=0.01)
    while await line.move_once(frame):
        pass
    pool = await check(database, at_least=7)
    assert pool["waiting"] == 2


async def test_a_line_that_moves_lets_out_what_the_same_batch_brought(database: Database) -> None:
    one = Handlers(most_from_line=1)
    await give(database, job_record(0), *(change(user, assigned=number) for number, user in enumerate("abc")))
    assert users(await give(database, job_record(2, version=2), handlers=one), "command") == ["a"]
    emitted = await give(database, change("b", 2, active=False), change("c", 2), handlers=one)
    assert [(body["objectId"], body["generation"]) for kind, body in emitted if "command" in kind] == [("c", 2)]
    await check(database, at_least=2)


async def test_a_freed_license_costs_the_same_with_a_hundred_thousand_waiting(database: Database) -> None:
    await give(database, job_record(1), change("a"))
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO license (job_id, object_id, state, ticket, generation, sequence, change, correlation_id, changed_at)"
            " SELECT $1, 'w' || n, 'waiting', n + 1, 1, 1, $2::jsonb, 'c', now() FROM generate_series(1, 100000) n",
            JOB,
            change("w").body().decode(),
        )
        await connection.execute("UPDATE pool SET waiting = 100000, next_ticket = 100002")
        await connection.execute("ANALYZE license")
    statements: list[str] = []
    async with transaction(database, Jobs()) as tx:
        tx.connection.add_query_logger(lambda query: statements.append(query.query))
        await HANDLERS.on_outcomes(tx, received(outcome("a", result=Result.FAILED)))
        assert len(statements) <= 7
        plan = "\n".join(
            row[0] for row in await tx.connection.fetch("EXPLAIN ANALYZE " + store.QUERIES.load_heads, [JOB], [1])
        )
        assert "license_line" in plan
        assert "Seq Scan on license" not in plan
    async with database.connection() as connection:
        assert users(await outbox(connection), "command") == ["a", "w"]


async def test_the_number_of_statements_does_not_grow_with_the_batch(database: Database) -> None:
    async def count(*batch: Change) -> int:
        statements: list[str] = []
        async with transaction(database, Jobs()) as tx:
            tx.connection.add_query_logger(lambda query: statements.append(query.query))
            await HANDLERS.on_changes(tx, received(*batch))
            return len(statements)

    await give(database, job_record(1000))
    await count(change("first"))  # asyncpg asks once for the types of the parameters
    few = await count(change("a"))
    many = await count(*(change(f"u{number}") for number in range(300)))
    assert few == many <= 5


operations = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 5)),
    st.tuples(st.just("leave"), st.integers(0, 5)),
    st.tuples(st.just("done"), st.integers(0, 5)),
    st.tuples(st.just("refuse"), st.integers(0, 5)),
    st.tuples(st.just("resize"), st.integers(0, 4)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(operations, min_size=1, max_size=6), max_size=12))
async def test_i2_i3_random_batches_on_postgresql_end_as_the_reference_model(
    database: Database, batches: list[list[tuple[str, int]]]
) -> None:
    async with database.connection() as connection:
        await connection.execute("TRUNCATE pool, license, license_history, outbox, job")
    await give(database, job_record(2))
    model, version, clock = Model(capacity=2), 1, 0
    generations: dict[str, int] = {}
    newest: dict[str, Change] = {}
    for batch in batches:
        for kind in ("resize", "done", "refuse", "leave", "ask"):
            messages: list[Message] = []
            waiting = set(model.line)
            for _, number in dict.fromkeys(item for item in batch if item[0] == kind):
                user = f"u{number}"
                if kind == "resize":
                    version += 1
                    messages = [job_record(number, version=version)]
                    model.capacity = number
                elif kind in {"ask", "leave"}:
                    clock += 1
                    generations[user] = generations.get(user, 0) + 1
                    newest[user] = change(user, generations[user], active=kind == "ask", assigned=clock)
                    messages.append(newest[user])
                    (model.ask if kind == "ask" else model.leave)(user)
                elif user in newest and user not in waiting:
                    result = Result.DONE if kind == "done" else Result.FAILED
                    ended = newest[user]
                    messages.append(outcome(user, ended.generation, result, ended.operation))
                    # Licenses freed in one batch go out when all its outcomes are in: the line's order is the same.
                    settle = model.succeeded if kind == "done" else model.refused
                    settle(user, active=ended.needs_license)
            if messages:
                model.fill()
                await give(database, *messages)
        await check(database)
        async with database.connection() as connection:
            rows = await connection.fetch("SELECT object_id, state FROM license ORDER BY ticket")
        assert [row["object_id"] for row in rows if row["state"] == "waiting"] == list(model.line)
        held = {row["object_id"]: row["state"] == "granted" for row in rows if row["state"] in {"reserved", "granted"}}
        assert held == model.held
