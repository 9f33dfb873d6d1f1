"""New rules reach everybody by themselves, and two users never share an account: on a real PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.diff import handlers as handlers_module
from services.diff import rules_pass as rules_pass_module
from services.diff.handlers import Handlers
from services.diff.removals.handlers import Marks
from services.diff.removals.releasing import Releasing
from services.diff.restarts.resetting import note_initial
from services.diff.rules import Rules
from services.diff.rules_pass import decide_batch, rules_pass
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Change
from shared.contracts.control import JobRecord, ScheduleState
from shared.contracts.job import DeletionThreshold, JobSettings
from shared.contracts.message import Message
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.contracts.source import HoldFact
from shared.contracts.templates import TEMPLATES
from shared.runtime.frame import Frame
from shared.runtime.jobs import store_jobs
from tests.support.builders_diff import (
    BACKOFF,
    JOB,
    TEMPLATE,
    assignment,
    job_record,
    mapping_of,
    marks,
    outcome,
    received,
    rules,
    scoping_filter,
)
from tests.support.builders_schema import clause
from tests.support.eventually import eventually
from tests.support.frames import outbox

HANDLERS = Handlers(backoff=BACKOFF, retry_batch=3)
PEOPLE = [f"person-{number}" for number in range(8)]


@pytest.fixture
def by(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a job under other rules."""

    def use(job_rules: Rules) -> None:
        for module in (handlers_module, rules_pass_module):
            monkeypatch.setattr(module, "job_rules", lambda _: job_rules)

    return use


async def give(frame: Frame, *messages: Message) -> None:
    async with frame.transaction() as tx:
        for kind, handle in (("assignment", HANDLERS.assignments), ("outcome", HANDLERS.outcomes)):
            batch: Any = [received(message) for message in messages if kind in message.type]
            if batch:
                await handle(tx, batch)


async def emitted(frame: Frame, kind: type[Message] = Change) -> list[Any]:
    return [
        kind.model_validate(row["payload"]) for row in await outbox(frame) if row["headers"]["ce_type"] == kind.type
    ]


async def provision_everybody(frame: Frame) -> None:
    await give(frame, *(assignment(object_id=name, userPrincipalName=f"{name}@example.org") for name in PEOPLE))
    await give(frame, *(outcome(sent, target_id=f"at-{sent.object_id}") for sent in await emitted(frame)))


async def run_pass(frame: Frame) -> int:
    """Runs the pass to its end; returns how many transactions it took."""
    count = 0
    more = True
    while more:
        async with frame.transaction() as tx:
            _, more = await decide_batch(tx, HANDLERS, JOB)
        count += 1
    releasing = Releasing(releases=(HANDLERS.release,), patience=timedelta(hours=1))
    sent = 1
    while sent:
        async with frame.transaction() as tx:
            sent = await releasing.release(tx)
    return count


def filtered() -> Rules:
    return replace(rules(mapping_of(filter=scoping_filter(("city", "EQUALS", "Oslo")))), fingerprint="filtered")


async def test_new_rules_reach_everybody_without_a_word_of_the_directory(frame: Frame, by: Any) -> None:
    await provision_everybody(frame)
    await run_pass(frame)
    by(filtered())
    assert await run_pass(frame) == 3
    assert {item.object_id for item in await emitted(frame) if item.operation == "disable"} == set(PEOPLE)
    assert await run_pass(frame) == 1
    assert len(await emitted(frame)) == 2 * len(PEOPLE)


async def test_rules_that_come_to_the_same_write_nothing(frame: Frame, by: Any) -> None:
    await provision_everybody(frame)
    async with frame.connection() as connection:
        before = await connection.fetch("SELECT object_id, changed_at, xmin::text FROM person ORDER BY object_id")
    said = len(await outbox(frame))
    by(replace(rules(), fingerprint="another"))
    await run_pass(frame)
    async with frame.connection() as connection:
        after = await connection.fetch("SELECT object_id, changed_at, xmin::text FROM person ORDER BY object_id")
    assert [tuple(row)[:2] for row in after] == [tuple(row)[:2] for row in before]
    assert len(await outbox(frame)) == said


async def test_the_pass_goes_on_where_it_was_and_begins_anew_for_newer_rules(frame: Frame, by: Any) -> None:
    await provision_everybody(frame)
    by(filtered())
    async with frame.transaction() as tx:
        assert await decide_batch(tx, HANDLERS, JOB) == ("filtered", True)
    with pytest.raises(ConnectionError):  # the process dies before the commit
        async with frame.transaction() as tx:
            await decide_batch(tx, HANDLERS, JOB)
            raise ConnectionError
    async with frame.connection() as connection:
        assert await connection.fetchval("SELECT done_up_to FROM rules_pass") == "person-2"
    by(replace(filtered(), fingerprint="newer"))
    assert await run_pass(frame) == 3
    assert len([item for item in await emitted(frame) if item.operation == "disable"]) == len(PEOPLE)


async def test_many_removals_of_a_pass_are_held_and_not_one_goes_out(frame: Frame, by: Any) -> None:
    await provision_everybody(frame)
    strict = JobSettings(deletion_threshold=DeletionThreshold(count=2, percent=10))
    record = job_record(version=2)
    await define(
        frame, record.model_copy(update={"definition": record.definition.model_copy(update={"settings": strict})})
    )
    by(filtered())
    await run_pass(frame)
    assert not [item for item in await emitted(frame) if item.operation == "disable"]
    [hold] = await emitted(frame, HoldFact)
    assert (hold.removals, hold.state) == (len(PEOPLE), "held")


async def test_a_paused_job_is_decided_anew_when_it_runs(frame: Frame, by: Any) -> None:
    await provision_everybody(frame)
    by(filtered())
    await define(frame, job_record(version=2, schedule=ScheduleState.PAUSED))
    async with frame.transaction() as tx:
        assert await decide_batch(tx, HANDLERS, JOB) == (None, False)
    await define(frame, job_record(version=3))
    assert await run_pass(frame) == 3


async def test_the_loop_serves_a_change_of_rules_by_itself(frame: Frame, by: Any) -> None:
    await provision_everybody(frame)
    loop = asyncio.ensure_future(rules_pass(HANDLERS).run(frame))

    async def all_decided() -> bool:
        async with frame.connection() as connection:
            return bool(await connection.fetchval("SELECT count(*) = 1 FROM rules_pass WHERE done_up_to IS NULL"))

    await eventually(all_decided)
    by(filtered())

    async def all_staged() -> bool:
        async with frame.connection() as connection:
            return bool(
                await connection.fetchval("SELECT count(*) = $1 FROM person WHERE staged_in IS NOT NULL", len(PEOPLE))
            )

    await eventually(all_staged)
    frame.stopping.set()
    await loop


async def define(frame: Frame, record: Any) -> None:
    async with frame.transaction() as tx:
        await store_jobs(tx, [received(record)])


async def test_a_saved_schema_is_what_is_decided_by_and_what_cannot_be_used_changes_nothing(frame: Frame) -> None:
    await provision_everybody(frame)
    await run_pass(frame)
    document = TEMPLATES[TEMPLATE].schema.document()
    mappings = document["synchronizationRules"][0]["objectMappings"]
    mapping = next(item for item in mappings if item["sourceObjectName"] == "User")
    for row in mapping["attributeMappings"]:
        if row["targetAttributeName"] == "title":
            row["source"] = {"type": "Function", "expression": 'Append("Dr. ", [surname])'}
    await define(frame, with_schema(2, document))
    await run_pass(frame)
    assert not [item for item in await emitted(frame) if item.operation == "update"], "nobody was read for it yet"
    await read_everybody(frame, schema_version=1)
    await run_pass(frame)
    updates = [item for item in await emitted(frame) if item.operation == "update"]
    assert {(part.path, part.new) for item in updates for part in item.modified} == {("title", "Dr. Example")}
    await define(frame, with_schema(3, {**document, "synchronizationRules": []}))
    await read_everybody(frame, schema_version=2)
    await run_pass(frame)
    assert len([item for item in await emitted(frame) if item.operation == "update"]) == len(PEOPLE)


async def read_everybody(frame: Frame, *, schema_version: int) -> None:
    """The marks of an initial cycle that read whatever that schema names."""
    number = schema_version + 1
    made = marks(f"cycle-{number}", number=number, schema_version=schema_version)
    async with frame.transaction() as tx:
        await Marks(asyncio.Event(), note_initial)(tx, [received(mark) for mark in made])


async def test_a_filter_on_an_attribute_that_was_not_read_yet_takes_nobody_away(frame: Frame) -> None:
    await provision_everybody(frame)
    await run_pass(frame)
    document = TEMPLATES[TEMPLATE].schema.document()
    mappings = document["synchronizationRules"][0]["objectMappings"]
    mapping = next(item for item in mappings if item["sourceObjectName"] == "User")
    mapping["scope"] = {"groups": [{"name": "here", "clauses": [clause("companyName", "EQUALS", "Contoso")]}]}
    await define(frame, with_schema(2, document))
    await read_everybody(frame, schema_version=0)
    await run_pass(frame)
    await give(frame, *(assignment(2, object_id=name, companyName="Contoso") for name in PEOPLE[1:]))
    await read_everybody(frame, schema_version=1)
    await run_pass(frame)
    assert [item.object_id for item in await emitted(frame) if item.operation == "disable"] == [PEOPLE[0]]


def with_schema(version: int, document: dict[str, Any]) -> JobRecord:
    return job_record(version=version).model_copy(
        update={"synchronization_schema": document, "schema_version": version - 1}
    )


# One account for one user.


def by_name() -> Rules:
    row = replace(mapping_of().attributes["userName"], matching_priority=1)
    return replace(rules(mapping_of(row)), fingerprint="by name")


def named(object_id: str, sequence: int = 1, name: str = "ada@example.org", **changed: Any) -> Any:
    return assignment(sequence, object_id=object_id, userPrincipalName=name, **changed)


async def statuses(frame: Frame) -> dict[str, str]:
    async with frame.connection() as connection:
        rows = await connection.fetch("SELECT object_id, status, reason_code FROM person")
    return {row["object_id"]: row["reason_code"] or row["status"] for row in rows}


@pytest.mark.parametrize("batches", [1, 2], ids=["in one batch", "one after the other"])
async def test_the_second_user_with_a_matching_value_fails_and_nothing_is_written(
    frame: Frame, by: Any, batches: int
) -> None:
    by(by_name())
    messages = [named("first"), named("second", name="ADA@example.org")]
    for batch in [messages] if batches == 1 else [[message] for message in messages]:
        await give(frame, *batch)
    assert await statuses(frame) == {"first": "pending", "second": "DuplicateSourceEntries"}
    assert [item.object_id for item in await emitted(frame)] == ["first"]
    told = [item for item in await emitted(frame, ProvisioningOutcome) if item.result is Result.FAILED]
    assert [item.failure.code for item in told] == ["DuplicateSourceEntries"]


async def test_a_matching_value_comes_free_when_its_user_has_another_one(frame: Frame, by: Any) -> None:
    by(by_name())
    await give(frame, named("first"), named("second"))
    await give(frame, named("first", 2, name="eve@example.org"))
    async with frame.transaction() as tx:
        tx.now = tx.now + BACKOFF.longest
        assert await HANDLERS.retries(tx) == 1
    assert [item.object_id for item in await emitted(frame) if item.object_id == "second"] == ["second"]


async def test_a_matching_value_comes_free_with_somebody_who_leaves_unprovisioned(frame: Frame, by: Any) -> None:
    by(by_name())
    await give(frame, named("first"))
    [sent] = await emitted(frame)
    await give(frame, outcome(sent, Result.FAILED))
    await give(frame, named("first", 2, assigned=False))
    await give(frame, named("second"))
    assert (await statuses(frame))["second"] == "pending"


async def test_an_account_that_was_found_for_two_is_linked_to_one(frame: Frame, by: Any) -> None:
    by(by_name())
    await give(frame, named("first"), named("second", name="eve@example.org"))
    one, two = await emitted(frame)
    await give(frame, outcome(one, Result.ADOPTED), outcome(two, Result.ADOPTED))
    assert await statuses(frame) == {"first": "provisioned", "second": "DuplicateSourceEntries"}
    async with frame.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM person WHERE linked") == 1


async def test_who_is_linked_keeps_a_matching_value_when_seen_again_and_lets_it_go_with_another(
    frame: Frame, by: Any
) -> None:
    by(by_name())
    await give(frame, named("first"))
    [sent] = await emitted(frame)
    await give(frame, outcome(sent))
    await give(frame, named("first", 2))
    await give(frame, named("second"))
    assert await statuses(frame) == {"first": "provisioned", "second": "DuplicateSourceEntries"}
    await give(frame, named("first", 3, name="eve@example.org"))
    async with frame.transaction() as tx:
        tx.now = tx.now + BACKOFF.longest
        assert await HANDLERS.retries(tx) == 1
    assert [item.object_id for item in await emitted(frame)] == ["first", "first", "second"]


async def test_no_matching_value_is_kept_where_people_can_read_it(frame: Frame, by: Any) -> None:
    by(by_name())
    await give(frame, named("first"))
    async with frame.connection() as connection:
        digests = [row["digest"] for row in await connection.fetch("SELECT digest FROM matching_value")]
    assert len(digests) == 2
    assert not any("ada" in digest or "first" in digest for digest in digests)


async def test_whoever_is_only_seen_again_is_remembered_with_the_newer_word(frame: Frame) -> None:
    await provision_everybody(frame)
    name = PEOPLE[0]
    values: dict[str, Any] = {"object_id": name, "userPrincipalName": f"{name}@example.org"}
    await give(frame, assignment(2, **values))
    async with frame.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM person WHERE object_id = $1", name)
    assert DirectoryAssignment.model_validate_json(row["assignment"]).sequence == 2
    assert (row["status"], row["linked"], row["sent_generation"]) == ("provisioned", True, 1)
    await give(frame, assignment(1, surname="Older", **values))
    assert len(await emitted(frame)) == len(PEOPLE)
