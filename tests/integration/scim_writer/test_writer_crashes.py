"""A process that dies, or sleeps, between any two steps: nothing is lost, nothing is done twice (I1, I4, I5)."""

import asyncio
import sys

import pytest

from shared.contracts.outcomes import Result
from shared.runtime.leases import Lease
from tests.support.builders_scim_writer import Bench, a_bench, a_command, an_update, executing
from tests.support.eventually import eventually

CHILD = """
import asyncio, sys
from services.scim_writer.executor import Executor
from services.scim_writer.settings import ScimWriterSettings
from shared.runtime import crashpoints
from tests.support.frames import opened_frame, settings_for

async def main():
    settings = settings_for(sys.argv[1], kind=ScimWriterSettings)
    async with opened_frame("scim-writer", settings) as frame:
        crashpoints.arm(sys.argv[2])
        await Executor(settings).run(frame)

asyncio.run(main())
"""


async def die(database_url: str, point: str) -> None:
    """Run an executor in a process of its own until it is killed at a crash point."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, database_url, point)
    try:
        async with asyncio.timeout(40):
            assert await process.wait() == -9, "it was not killed where it should have been"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def let_leases_run_out(bench: Bench) -> None:
    """Ten seconds later, as far as leases go."""
    async with bench.frame.connection() as connection:
        await connection.execute("UPDATE lease SET expires_at = '-infinity'")


async def settled(bench: Bench) -> bool:
    return set((await bench.states()).values()) == {"settled"}


@pytest.mark.parametrize(
    "point", ["writer.after_claim:1", "writer.after_send:2", "writer.before_settle:1", "writer.after_settle:1"]
)
async def test_a_process_that_dies_loses_nothing_and_doubles_nothing(database_url: str, point: str) -> None:
    async with a_bench(database_url) as bench:
        names = [f"user-{number}" for number in range(6)]
        await bench.take(*(a_command(bench.job_id, name) for name in names))
        await die(database_url, point)
        await let_leases_run_out(bench)
        # A newer generation arrives for a user whose older one may be half done.
        await bench.take(a_command(bench.job_id, "user-0", 2, values={"title": "Director"}))
        async with executing(bench):
            await eventually(lambda: settled(bench), within=10)
        accounts = {account["externalId"]: account for account in bench.accounts()}
        assert sorted(accounts) == names
        assert accounts["user-0"]["title"] == "Director"
        assert bench.target.scim.accounts.duplicates == 0
        assert bench.requests["POST"] == len(names)
        ended = [(item.object_id, item.generation) for item in await bench.outcomes()]
        assert sorted(ended) == sorted([(name, 1) for name in names] + [("user-0", 2)]), "one outcome for each"


async def test_a_process_that_was_asleep_sends_nothing_more(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """I4: it wakes up in the middle of a plan, after another process took the lease."""
    async with a_bench(database_url) as bench:
        stall = bench.fault("stall", seconds=0.4, when="before", method="GET")
        await bench.take(a_command(bench.job_id, "ann"))
        async with executing(bench):
            await eventually(lambda: bench.target.scim.journal.in_flight_max == 1)
            monkeypatch.setattr(Lease, "held", property(lambda lease: False))
            async with bench.frame.connection() as connection:
                await connection.execute(
                    "UPDATE lease SET owner = 'other', epoch = epoch + 1, expires_at = now() + interval '1 hour'"
                )
            await eventually(lambda: bench.requests["GET"] == 1)

            async def ended() -> bool:
                return not [task for task in asyncio.all_tasks() if task.get_name().startswith("write ")]

            await eventually(ended)
            assert bench.requests["POST"] == 0
            assert await bench.states() == {"ann": "in_flight"}
            assert await bench.outcomes() == []
            monkeypatch.undo()
            bench.target.scim.faults.remove(stall)
            await let_leases_run_out(bench)
            await eventually(lambda: len(bench.accounts()) == 1)


async def test_results_are_not_settled_without_the_lease(database_url: str) -> None:
    """I4: the lease went while the request was under way; whoever has it now looks before repeating."""
    async with a_bench(database_url) as bench:
        bench.fault("stall", seconds=0.4, when="after", method="POST", times=1)
        await bench.take(a_command(bench.job_id, "ann"))
        async with executing(bench):
            await eventually(lambda: len(bench.accounts()) == 1)
            async with bench.frame.connection() as connection:
                await connection.execute(
                    "UPDATE lease SET owner = 'other', epoch = epoch + 1, expires_at = now() + interval '1 hour'"
                )
            await eventually(lambda: bench.requests["POST"] == 1)

            async def ended() -> bool:
                return not [task for task in asyncio.all_tasks() if task.get_name().startswith("write ")]

            await eventually(ended)
            assert await bench.states() == {"ann": "in_flight"}
            assert await bench.outcomes() == []
            await let_leases_run_out(bench)
            await eventually(lambda: settled(bench))
        (outcome,) = await bench.outcomes()
        assert outcome.result is Result.DONE
        assert bench.requests["POST"] == 1


async def test_two_executors_share_no_job(database_url: str) -> None:
    async with a_bench(database_url) as bench:
        async with bench.frame.connection() as connection:
            await connection.execute(
                "INSERT INTO lease VALUES ($1, 'other', 1, now() + interval '1 hour')", f"writer/{bench.job_id}"
            )
        await bench.take(a_command(bench.job_id, "ann"))
        async with executing(bench):

            async def tried() -> bool:
                return bool([task for task in asyncio.all_tasks() if task.get_name().startswith("write ")])

            await eventually(tried)
            assert await bench.states() == {"ann": "ready"}
            assert sum(bench.requests.values()) == 0
            await let_leases_run_out(bench)
            await eventually(lambda: settled(bench))


async def test_a_stop_ends_what_is_under_way_and_leaves_the_rest_for_the_next_process(database_url: str) -> None:
    async with a_bench(database_url, rate=20) as bench:
        await bench.take(*(a_command(bench.job_id, f"user-{number}") for number in range(30)))
        async with executing(bench):
            await eventually(lambda: len(bench.accounts()) >= 2)
        states = list((await bench.states()).values())
        assert "in_flight" not in states
        assert states.count("settled") == len(bench.accounts()) == len(await bench.outcomes())
        assert "ready" in states
        bench.job = bench.job.model_copy(
            update={
                "definition": bench.job.definition.model_copy(
                    update={"target": bench.job.definition.target.model_copy(update={"requests_per_second": 10_000})}
                )
            }
        )
        await bench.save_job()
        async with executing(bench):
            await eventually(lambda: settled(bench), within=10)
        assert len(bench.accounts()) == 30
        assert bench.requests["POST"] == 30


async def test_an_update_that_died_on_its_way_is_written_whole_by_the_next_generation(database_url: str) -> None:
    """I4: whether Director was written is unknown, so Engineer is written although nothing seems modified."""
    async with a_bench(database_url) as bench:
        await bench.take(a_command(bench.job_id, "ann"))
        async with executing(bench):
            await eventually(lambda: settled(bench))
        await bench.take(an_update(bench.job_id, "ann", 2, old={"title": "Engineer"}, title="Director"))
        await die(database_url, "writer.after_send:1")
        assert bench.accounts()[0]["title"] == "Director"
        await bench.take(an_update(bench.job_id, "ann", 3, old={}))
        await let_leases_run_out(bench)
        async with executing(bench):
            await eventually(lambda: settled(bench))
        assert bench.accounts()[0]["title"] == "Engineer"
        assert [(item.generation, item.result) for item in await bench.outcomes()] == [
            (1, Result.DONE),
            (2, Result.SUPERSEDED),
            (3, Result.DONE),
        ]


async def test_a_value_of_a_create_that_died_is_cleared_when_the_newer_generation_has_none(database_url: str) -> None:
    """I4: nobody but this service knows that a title may have been written."""
    async with a_bench(database_url) as bench:
        await bench.take(a_command(bench.job_id, "ann"))
        await die(database_url, "writer.after_send:1")
        assert bench.accounts()[0]["title"] == "Engineer"
        await let_leases_run_out(bench)
        await bench.take(a_command(bench.job_id, "ann", 2, values={"title": None}))
        async with executing(bench):
            await eventually(lambda: settled(bench))
        assert "title" not in bench.accounts()[0]
        assert (await bench.outcomes())[-1].result is Result.DONE
