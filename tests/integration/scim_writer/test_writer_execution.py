"""Commands become accounts: the executor on a real PostgreSQL, against the LinkedIn simulator."""

from shared.contracts.changes import Operation
from shared.contracts.outcomes import Result, StepType
from tests.support.builders_scim_writer import (
    DEPARTMENT,
    a_bench,
    a_command,
    a_disable,
    a_resource,
    an_update,
    executing,
)
from tests.support.eventually import eventually


async def test_a_user_is_created_updated_and_disabled(database_url: str) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        await bench.take(a_command(bench.job_id, "ann"))
        await eventually(lambda: len(bench.accounts()) == 1)
        created = (await eventually(bench.outcomes))[0]
        assert (created.result, created.operation) == (Result.DONE, Operation.CREATE)
        assert created.resource == a_resource("ann")
        assert created.target_id == bench.accounts()[0]["id"]
        assert [step.type for step in created.steps] == [StepType.MATCHING, StepType.EXPORT]
        assert all(step.duration_ms is not None for step in created.steps)

        await bench.take(an_update(bench.job_id, "ann", 2, old={"title": "Engineer"}, title="Director"))
        await eventually(lambda: bench.accounts()[0]["title"] == "Director")
        await bench.take(a_disable(bench.job_id, "ann", 3))
        await eventually(lambda: bench.accounts()[0]["active"] is False)

        async def three() -> bool:
            return len(await bench.outcomes()) == 3

        await eventually(three)
        disabled = (await bench.outcomes())[2]
        assert disabled.result is Result.DONE
        assert [item.path for item in disabled.modified] == ["active"]
        assert bench.requests == {"GET": 1, "POST": 1, "PATCH": 2, "PUT": 0, "DELETE": 0}
        assert set((await bench.states()).values()) == {"settled"}
        assert bench.accounts()[0][DEPARTMENT.rpartition(":")[0]]["department"] == "Sales"
