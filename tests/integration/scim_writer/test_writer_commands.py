"""I4: commands that come twice, swapped, or while an older one is under way."""

import asyncio

import pytest

from services.scim_writer.handlers import take_commands
from shared.contracts.outcomes import Result
from shared.runtime.errors import WaitError
from tests.support.builders_scim_writer import a_bench, a_command, an_update, executing, query
from tests.support.eventually import eventually
from tests.support.messages import received


async def test_a_repeated_command_is_stored_once_and_an_older_one_is_superseded(database_url: str) -> None:
    async with a_bench(database_url) as bench:
        newer = a_command(bench.job_id, "ann", 2, values={"title": "Director"})
        await bench.take(newer)
        await bench.take(newer)
        assert await bench.outcomes() == []
        await bench.take(a_command(bench.job_id, "ann", 1))
        outcomes = await bench.outcomes()
        assert [(item.generation, item.result) for item in outcomes] == [(1, Result.SUPERSEDED)]
        async with executing(bench):
            await eventually(lambda: [account["title"] for account in bench.accounts()] == ["Director"])
        await bench.take(newer)
        await bench.take(a_command(bench.job_id, "ann", 1))
        assert await bench.states() == {"ann": "settled"}, "what is finished is not taken again"
        assert bench.requests["POST"] == 1


async def test_generations_of_one_batch_are_folded_and_each_gets_its_outcome(database_url: str) -> None:
    async with a_bench(database_url) as bench:
        await bench.take(*(a_command(bench.job_id, "ann", generation) for generation in (2, 1, 3)))
        await bench.take(
            a_command(bench.job_id, "ann", 4, values={"title": "Director"}), a_command(bench.job_id, "bob")
        )
        async with executing(bench):
            await eventually(lambda: len(bench.accounts()) == 2)

            async def settled() -> bool:
                return set((await bench.states()).values()) == {"settled"}

            await eventually(settled)
        ended = [(item.object_id, item.generation, item.result) for item in await bench.outcomes()]
        assert sorted(ended) == [
            ("ann", 1, Result.SUPERSEDED),
            ("ann", 2, Result.SUPERSEDED),
            ("ann", 3, Result.SUPERSEDED),
            ("ann", 4, Result.DONE),
            ("bob", 1, Result.DONE),
        ]
        async with bench.frame.connection() as connection:
            ids = await connection.fetch("SELECT headers::jsonb ->> 'ce_id' AS id FROM outbox")
        assert len({row["id"] for row in ids}) == 5


async def test_what_arrives_while_an_older_one_is_in_flight_is_executed_after_it(database_url: str) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        stall = bench.fault("stall", seconds=0.3, when="after", method="POST")
        await bench.take(a_command(bench.job_id, "ann", 1))
        await eventually(lambda: bench.requests["GET"] == 1 and len(bench.accounts()) == 1)
        await bench.take(an_update(bench.job_id, "ann", 2, old={"title": "Engineer"}, title="Director"))
        await bench.take(an_update(bench.job_id, "ann", 3, old={"title": "Engineer"}, title="President"))
        assert [(item.generation, item.result) for item in await bench.outcomes()] == [(2, Result.SUPERSEDED)]
        assert bench.requests["PATCH"] == 0, "never two requests for one user at once"
        bench.target.scim.faults.remove(stall)
        await eventually(lambda: bench.accounts()[0].get("title") == "President")

        async def all_three() -> bool:
            return len(await bench.outcomes()) == 3

        await eventually(all_three)
        assert [(item.generation, item.result) for item in await bench.outcomes()] == [
            (2, Result.SUPERSEDED),
            (1, Result.DONE),
            (3, Result.DONE),
        ]
        assert (bench.requests["POST"], bench.requests["PATCH"]) == (1, 1)


async def test_a_value_that_went_back_while_its_change_was_under_way_goes_back_at_the_target(database_url: str) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        await bench.take(a_command(bench.job_id, "ann", 1))
        await eventually(bench.outcomes)
        stall = bench.fault("stall", seconds=0.3, when="after", method="PATCH")
        await bench.take(an_update(bench.job_id, "ann", 2, old={"title": "Engineer"}, title="Director"))
        await eventually(lambda: bench.accounts()[0]["title"] == "Director")
        # Worked out against what is confirmed, which is still Engineer: nothing is modified.
        await bench.take(an_update(bench.job_id, "ann", 3, old={}))
        bench.target.scim.faults.remove(stall)
        await eventually(lambda: bench.accounts()[0]["title"] == "Engineer")


async def test_a_command_starts_within_milliseconds_also_when_another_process_stored_it(database_url: str) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        await bench.take(a_command(bench.job_id, "first"))
        await eventually(lambda: len(bench.accounts()) == 1)
        took = []
        for number in range(5):
            began = asyncio.get_running_loop().time()
            await bench.take(a_command(bench.job_id, f"user-{number}"))
            await eventually(lambda wanted=number + 2: len(bench.accounts()) == wanted, every=0.002)
            took.append(asyncio.get_running_loop().time() - began)
        assert min(took) < 0.2, "told by PostgreSQL, not found by the poll"


async def test_two_processes_that_store_the_same_user_at_once_lose_nothing(database_url: str) -> None:
    async with a_bench(database_url) as bench:
        newer = a_command(bench.job_id, "ann", 2)
        async with bench.frame.transaction() as tx:
            await take_commands(tx, [received(a_command(bench.job_id, "ann", 1))])
            other = asyncio.create_task(bench.take(newer))

            async def waits_for_us() -> bool:
                return bool(await query(database_url, "SELECT 1 FROM pg_locks WHERE NOT granted"))

            await eventually(waits_for_us)
        with pytest.raises(WaitError):  # so the frame handles the batch again
            await other
        await bench.take(newer)
        rows = await query(database_url, "SELECT generation, state FROM work")
        assert [(row["generation"], row["state"]) for row in rows] == [(2, "ready")]
        assert [(item.generation, item.result) for item in await bench.outcomes()] == [(1, Result.SUPERSEDED)]


async def test_work_of_a_deleted_job_is_forgotten(database_url: str) -> None:
    async with a_bench(database_url) as bench:
        await bench.take(a_command(bench.job_id, "ann"))
        await bench.save_job(deleted=True)
        async with executing(bench):

            async def gone() -> bool:
                return not await bench.states()

            await eventually(gone)
        assert sum(bench.requests.values()) == 0


async def test_a_newer_command_does_not_wait_for_the_retry_of_an_older_one(database_url: str) -> None:
    async with a_bench(database_url, scim_writer_first_retry_seconds=60) as bench, executing(bench):
        bench.fault("status", status=500, times=1, method="POST")
        await bench.take(a_command(bench.job_id, "ann", 1))

        async def put_back() -> bool:
            return bench.requests["POST"] == 1 and await bench.states() == {"ann": "ready"}

        await eventually(put_back)
        await bench.take(a_command(bench.job_id, "ann", 2))
        await eventually(lambda: len(bench.accounts()) == 1)
