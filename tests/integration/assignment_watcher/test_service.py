"""The whole service over a real Kafka: a definition arrives, cycles run each second, and what they say is published in order."""

import asyncio
from typing import Any

import orjson

from services.assignment_watcher.app import build
from services.assignment_watcher.demands.serving import LOOP as DEMANDS
from services.assignment_watcher.watching import LOOP, Watching
from shared.contracts.assignments import CycleMark, DirectoryAssignment
from shared.contracts.control import JobRecord
from shared.contracts.topics import ASSIGNMENTS, OUTCOMES, WATCHER
from shared.runtime.frame import Frame
from shared.runtime.service import Service
from tests.support.builders_assignment_watcher import (
    Said,
    Tenant,
    a_tenant,
    a_watched_job,
    paused,
    save,
    watcher_settings,
)
from tests.support.eventually import eventually
from tests.support.frames import opened_frame, outbox, publish, reading, running_service
from tests.support.messages import enveloped


def as_rows(records: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "partition": record.partition,
            "headers": {name: value.decode() for name, value in record.headers},
            "payload": orjson.loads(record.value),
        }
        for record in records
    ]


async def test_i8_assignments_arrive_before_the_mark_of_their_partition(database_url: str, kafka: str) -> None:
    settings = watcher_settings(database_url, kafka)
    async with (
        a_tenant(users=40, groups=2) as tenant,
        opened_frame(WATCHER, settings) as frame,
        running_service(build(settings)),
        reading(kafka, ASSIGNMENTS.name, OUTCOMES.name) as records,
    ):
        [group, *_] = await tenant.groups()
        await tenant.assign(group["id"], kind="Group")
        record = a_watched_job(frame, tenant)
        await publish(kafka, [(record, enveloped(record))])

        def mine() -> Said:
            return Said([row for row in as_rows(records) if row["payload"]["jobId"] == record.job_id])

        await eventually(lambda: len(mine().marks) == ASSIGNMENTS.partitions, within=30)
        assert mine().effective() == await tenant.effective()
        for partition in range(ASSIGNMENTS.partitions):
            kinds = [
                row["headers"]["ce_type"]
                for row in mine().rows
                if row["partition"] == partition
                and row["headers"]["ce_type"] in {DirectoryAssignment.type, CycleMark.type}
            ]
            assert kinds.index(CycleMark.type) == len(kinds) - 1
        user = next(user for user in await tenant.users() if user not in mine().latest())
        await tenant.assign(user)
        await eventually(lambda: user in mine().latest(), within=10)
        assert mine().effective() == await tenant.effective()


async def following(frame: Frame) -> tuple[Watching, "asyncio.Task[None]"]:
    service = build(frame.settings)  # type: ignore[arg-type] # the frame of this test has the watcher's settings
    watching: Watching = service.background[0].run.__self__  # type: ignore[attr-defined] # a bound method
    return watching, asyncio.create_task(watching.run(frame))


async def cycles(tenant: Tenant) -> int:
    requests = (await tenant.ask("GET", "/_sim/journal"))["requests"]
    return requests.get("users/delta", {}).get("count", 0)


async def test_a_start_and_a_pause_take_effect_at_once(database_url: str) -> None:
    async with a_tenant(users=5) as tenant, opened_frame(WATCHER, watcher_settings(database_url)) as frame:
        watching, task = await following(frame)
        record: JobRecord = a_watched_job(frame, tenant, interval="PT1H")
        await save(frame, record)
        watching.wake.set()
        # The second cycle follows the first at once, then the interval counts.
        await eventually(lambda: _reached(tenant, 2), within=2)
        await save(frame, paused(record, 2))
        watching.wake.set()
        await eventually(lambda: _unwatched(watching, frame), within=2)
        await save(frame, record.model_copy(update={"sequence": 3}))
        watching.wake.set()
        await eventually(lambda: _reached(tenant, 3), within=2)
        frame.stopping.set()
        await asyncio.wait_for(task, 5)


async def _reached(tenant: Tenant, count: int) -> bool:
    return await cycles(tenant) >= count


async def _unwatched(_: Watching, frame: Frame) -> bool:
    async with frame.connection() as connection:
        return bool(
            await connection.fetchval("SELECT expires_at = '-infinity' FROM lease WHERE name = 'watcher/job-1'")
        )


async def test_cycles_start_an_interval_apart_however_long_they_take(database_url: str) -> None:
    async with a_tenant(users=5) as tenant, opened_frame(WATCHER, watcher_settings(database_url)) as frame:
        await tenant.ask("POST", "/_sim/knobs", {"latencyMs": 50})
        await save(frame, a_watched_job(frame, tenant, interval="PT1S"))
        _, task = await following(frame)
        await eventually(lambda: _reached(tenant, 2), within=3)
        began = asyncio.get_running_loop().time()
        await eventually(lambda: _reached(tenant, 5), within=6)
        assert 2.5 < asyncio.get_running_loop().time() - began < 3.6
        frame.stopping.set()
        await asyncio.wait_for(task, 5)


async def test_a_corrected_secret_is_tried_without_waiting_for_the_interval(database_url: str) -> None:
    async with a_tenant(users=5) as tenant, opened_frame(WATCHER, watcher_settings(database_url)) as frame:
        watching, task = await following(frame)
        await save(frame, a_watched_job(frame, tenant, interval="PT1H", secret="not-a-real-secret"))
        watching.wake.set()
        await eventually(lambda: _conditions(frame, 1), within=3)
        await save(frame, a_watched_job(frame, tenant, version=2, interval="PT1H"))
        watching.wake.set()
        await eventually(lambda: _conditions(frame, 2), within=3)
        frame.stopping.set()
        await asyncio.wait_for(task, 5)


async def _conditions(frame: Frame, count: int) -> bool:
    return len(Said(await outbox(frame)).conditions) == count


async def test_one_failing_job_does_not_hold_up_another(database_url: str) -> None:
    async with a_tenant(users=5) as tenant, opened_frame(WATCHER, watcher_settings(database_url)) as frame:
        good = a_watched_job(frame, tenant)
        bad = good.model_copy(update={"job_id": "job-2"})  # its secret belongs to another job: it cannot be read
        await save(frame, good, bad)
        _, task = await following(frame)
        await eventually(lambda: _reached(tenant, 2), within=5)
        await eventually(lambda: _conditions(frame, 1), within=3)
        assert Said(await outbox(frame)).conditions[0].job_id == "job-2"
        frame.stopping.set()
        await asyncio.wait_for(task, 5)


async def test_users_on_demand_wait_when_a_cycle_of_the_same_application_is_throttled(database_url: str) -> None:
    async with a_tenant(users=5) as tenant, opened_frame(WATCHER, watcher_settings(database_url)) as frame:
        await save(frame, a_watched_job(frame, tenant))
        [job] = await frame.list_jobs()
        for_cycles, for_demands = [loop._open_sources() for loop in _loops(build(frame.settings))]  # type: ignore[arg-type] # the frame of this test has the watcher's settings
        one, other = for_cycles.open(frame, job), for_demands.open(frame, job)
        try:
            await asyncio.gather(one.read_roles(), other.read_roles())
            await tenant.fault("/servicePrincipals", "throttle", retryAfter="0.4")
            throttled = asyncio.create_task(one.read_roles())
            await eventually(lambda: one.traffic.throttled > 0, every=0.001)
            await asyncio.gather(throttled, other.read_roles())
        finally:
            await for_cycles.close()
            await for_demands.close()
        assert other.traffic.waited_seconds > 0.1
        assert (await tenant.ask("GET", "/_sim/journal"))["duringRetryAfter"] == 0


def _loops(service: Service) -> list[Any]:
    return [item.run.__self__ for item in service.background if item.name in {LOOP, DEMANDS}]  # type: ignore[attr-defined] # bound methods
