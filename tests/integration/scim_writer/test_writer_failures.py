"""What the target does wrong, and what the network does: nothing is lost, nothing is done twice, nobody is called in vain."""

import time

from prometheus_client import REGISTRY

from shared.contracts.control import ScheduleState
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import ConditionState, Result
from tests.support.builders_scim_writer import Bench, a_bench, a_command, an_update, executing
from tests.support.eventually import eventually


async def all_settled(bench: Bench) -> bool:
    states = await bench.states()
    return bool(states) and set(states.values()) == {"settled"}


async def test_an_account_that_was_there_before_is_adopted(database_url: str) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        first = a_command(bench.job_id, "ann")
        await bench.take(first)
        await eventually(lambda: all_settled(bench))
        other = bench.job.model_copy(update={"job_id": "other"})
        bench.job = other
        await bench.save_job(token=bench.target.scim.configurations.reissue(bench.configuration))
        await bench.take(a_command("other", "ann", values={"title": "Director"}))

        async def adopted() -> bool:
            return (await bench.outcomes())[-1].result is Result.ADOPTED

        await eventually(adopted)
        assert [account["title"] for account in bench.accounts()] == ["Director"]
        assert [item.path for item in (await bench.outcomes())[-1].modified] == ["title"]


async def test_a_create_whose_answer_is_lost_leads_to_one_account_that_is_ours(database_url: str) -> None:
    """I5"""
    async with a_bench(database_url) as bench, executing(bench):
        bench.fault("commitThenDrop", times=1, method="POST")
        bench.fault("commitThenStatus", times=1, method="POST", status=504)
        bench.fault("dropBeforeCommit", times=1, method="POST")
        for name in ("ann", "bob", "cy"):
            await bench.take(a_command(bench.job_id, name))
        await eventually(lambda: all_settled(bench))
        assert sorted(account["externalId"] for account in bench.accounts()) == ["ann", "bob", "cy"]
        assert {item.result for item in await bench.outcomes()} == {Result.DONE}
        assert bench.target.scim.accounts.duplicates == 0


async def test_one_refused_user_does_not_stop_the_others(database_url: str) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        bench.fault("reject", externalIds=["bad"], status=400)
        await bench.take(*(a_command(bench.job_id, name) for name in ("bad", "ann", "bob")))
        await eventually(lambda: all_settled(bench))
        outcomes = {item.object_id: item for item in await bench.outcomes()}
        assert {name: item.result for name, item in outcomes.items()} == {
            "bad": Result.FAILED,
            "ann": Result.DONE,
            "bob": Result.DONE,
        }
        refusal = outcomes["bad"].failure
        assert refusal is not None
        assert (refusal.code, refusal.http_status) == (Code.SERVICE_INCOMPATIBLE, 400)
        assert outcomes["bad"].license is not None


async def test_a_command_that_cannot_be_worded_fails_and_the_others_go_on(database_url: str) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        await bench.take(a_command(bench.job_id, "odd", values={"a b": "x"}), a_command(bench.job_id, "ann"))
        await eventually(lambda: all_settled(bench))
        outcomes = {item.object_id: item for item in await bench.outcomes()}
        assert outcomes["ann"].result is Result.DONE
        assert outcomes["odd"].failure is not None
        assert outcomes["odd"].failure.code == Code.INTERNAL_ERROR


async def test_what_fails_and_fails_is_handed_back_after_the_last_attempt(database_url: str) -> None:
    async with a_bench(database_url, scim_writer_max_attempts=3) as bench, executing(bench):
        bench.fault("status", status=502, method="POST")
        await bench.take(a_command(bench.job_id, "ann"))
        await eventually(lambda: all_settled(bench))
        (outcome,) = await bench.outcomes()
        assert outcome.result is Result.RETRY_LATER
        assert outcome.retry_at is None
        assert outcome.failure is not None
        assert outcome.failure.code == Code.INTERNAL_SERVER_ERROR
        assert (bench.requests["POST"], bench.requests["GET"]) == (3, 3), "each attempt looks first"


async def test_retry_after_holds_every_request_of_the_job_and_costs_no_attempt(database_url: str) -> None:
    async with a_bench(database_url, scim_writer_max_attempts=1) as bench, executing(bench):
        bench.fault("status", status=429, times=4, retryAfter=0.4)
        await bench.take(a_command(bench.job_id, "zed"))
        await eventually(lambda: bench.target.scim.journal.statuses.get("429") == 1)
        began = time.monotonic()
        await bench.take(*(a_command(bench.job_id, name) for name in ("ann", "bob")))
        await eventually(lambda: sum(bench.requests.values()) > 1, every=0.002)
        assert time.monotonic() - began > 0.3
        await eventually(lambda: all_settled(bench))
        assert {item.result for item in await bench.outcomes()} == {Result.DONE}


async def test_a_dead_token_stops_every_call_and_a_new_one_goes_on_at_once(database_url: str) -> None:
    async with a_bench(database_url, scim_writer_max_in_flight=4, scim_writer_first_probe_seconds=30) as bench:
        bench.configuration.expired = True
        names = [f"user-{number}" for number in range(300)]
        await bench.take(*(a_command(bench.job_id, name) for name in names))
        async with executing(bench):
            (raised,) = await eventually(bench.conditions)
            assert (raised.condition, raised.state) == ("targetCredentials", ConditionState.RAISED)
            assert raised.failure is not None
            assert (raised.failure.code, raised.failure.http_status) == (Code.UNAUTHORIZED, 401)
            assert sum(bench.requests.values()) <= 4, "what was under way, and not one more"
            assert await bench.outcomes() == [], "the work waits, it has not failed"
            bench.configuration.expired = False
            token = bench.target.scim.configurations.reissue(bench.configuration)
            await bench.save_job(token=token)
            await eventually(lambda: len(bench.accounts()) == 300, within=20)
            await eventually(lambda: all_settled(bench))
        conditions = await bench.conditions()
        assert [(item.state, item.sequence) for item in conditions] == [
            (ConditionState.RAISED, 1),
            (ConditionState.CLEARED, 2),
        ]
        assert {item.result for item in await bench.outcomes()} == {Result.DONE}


async def test_a_condition_is_known_after_a_restart_and_not_raised_again(database_url: str) -> None:
    async with a_bench(database_url, scim_writer_first_probe_seconds=30) as bench:
        bench.configuration.expired = True
        await bench.take(a_command(bench.job_id, "ann"))
        async with executing(bench):
            await eventually(bench.conditions)
        asked = sum(bench.requests.values())
        async with executing(bench):
            await eventually(lambda: sum(bench.requests.values()) > asked)
        assert sum(bench.requests.values()) == asked + 1, "one probe"
        assert len(await bench.conditions()) == 1
        bench.configuration.expired = False
        async with executing(bench):
            await eventually(lambda: len(bench.accounts()) == 1)
        assert [item.state for item in await bench.conditions()] == [ConditionState.RAISED, ConditionState.CLEARED]


async def test_without_a_secret_token_nothing_is_sent_and_the_administrator_is_told(database_url: str) -> None:
    async with a_bench(database_url) as bench:
        token = bench.job.secrets.pop("secretToken")
        await bench.save_job()
        await bench.take(a_command(bench.job_id, "ann"))
        async with executing(bench):
            (raised,) = await eventually(bench.conditions)
            assert raised.failure is not None
            assert "Secret Token" in raised.failure.message
            assert sum(bench.requests.values()) == 0
            bench.job.secrets["secretToken"] = token
            await bench.save_job()
            await eventually(lambda: len(bench.accounts()) == 1)
            await eventually(lambda: all_settled(bench))


async def test_a_target_that_is_down_is_probed_and_goes_on_by_itself(database_url: str) -> None:
    async with a_bench(
        database_url, scim_writer_stop_after_failures=5, scim_writer_max_in_flight=4, scim_writer_max_attempts=100
    ) as bench:
        down = bench.fault("status", status=503)
        await bench.take(*(a_command(bench.job_id, f"user-{number}") for number in range(40)))
        async with executing(bench):
            (raised,) = await eventually(bench.conditions)
            assert raised.condition == "targetUnavailable"
            assert sum(bench.requests.values()) <= 5 + 4 + 2
            bench.target.scim.faults.remove(down)
            await eventually(lambda: all_settled(bench), within=10)
        assert len(bench.accounts()) == 40
        assert [item.state for item in await bench.conditions()] == [ConditionState.RAISED, ConditionState.CLEARED]
        assert {item.result for item in await bench.outcomes()} == {Result.DONE}


async def test_a_token_that_may_not_write_stops_before_every_user_has_failed(database_url: str) -> None:
    async with a_bench(
        database_url,
        scim_writer_stop_after_failures=5,
        scim_writer_max_in_flight=1,
        scim_writer_first_probe_seconds=60,
    ) as bench:
        bench.fault("status", status=403, method="POST")
        await bench.take(*(a_command(bench.job_id, f"user-{number}") for number in range(60)))
        async with executing(bench):
            (raised,) = await eventually(bench.conditions)
            assert raised.failure is not None
            assert raised.failure.code == Code.INSUFFICIENT_RIGHTS

            async def nothing_in_flight() -> bool:
                return "in_flight" not in (await bench.states()).values()

            await eventually(nothing_in_flight)
            assert len(await bench.outcomes()) == 4, "the fifth waits: it is not the user that is wrong"
            bench.target.scim.faults.clear()
            await bench.save_job()
            await eventually(lambda: all_settled(bench), within=15)
        assert [item.state for item in await bench.conditions()] == [ConditionState.RAISED, ConditionState.CLEARED]
        assert len(bench.accounts()) == 56


async def test_what_an_operator_asked_for_is_written_while_the_job_is_paused_and_nothing_else(
    database_url: str,
) -> None:
    async with a_bench(database_url) as bench:
        await bench.save_job(schedule=ScheduleState.PAUSED)
        await bench.take(a_command(bench.job_id, "waits"), a_command(bench.job_id, "asked-for", on_demand=True))
        async with executing(bench):
            [outcome] = await eventually(bench.outcomes)
        assert outcome.object_id == "asked-for"
        assert [account["externalId"] for account in bench.accounts()] == ["asked-for"]
        assert await bench.states() == {"waits": "ready", "asked-for": "settled"}


async def test_what_an_operator_asked_for_is_written_when_a_refused_token_was_corrected_though_the_job_is_paused(
    database_url: str,
) -> None:
    async with a_bench(database_url) as bench:
        await bench.save_job(schedule=ScheduleState.PAUSED)
        bench.configuration.expired = True
        await bench.take(a_command(bench.job_id, "waits"), a_command(bench.job_id, "asked-for", on_demand=True))
        async with executing(bench):
            await eventually(bench.conditions)
            bench.configuration.expired = False
            token = bench.target.scim.configurations.reissue(bench.configuration)
            await bench.save_job(token=token)
            [outcome] = await eventually(bench.outcomes)
        assert (outcome.object_id, outcome.result) == ("asked-for", Result.DONE)
        assert [account["externalId"] for account in bench.accounts()] == ["asked-for"]


async def test_a_stopped_target_of_a_paused_job_is_left_in_peace_while_nobody_asks_for_anything(
    database_url: str,
) -> None:
    async with a_bench(database_url) as bench:
        bench.configuration.expired = True
        await bench.take(a_command(bench.job_id, "waits"))
        async with executing(bench):
            await eventually(bench.conditions)
        await bench.save_job(schedule=ScheduleState.PAUSED)
        asked = sum(bench.requests.values())
        async with executing(bench):
            name, labels = "seatkeeper_target_breaker_open", {"job": bench.job_id}
            await eventually(lambda: REGISTRY.get_sample_value(name, labels) == 1)
            assert sum(bench.requests.values()) == asked
            await bench.take(a_command(bench.job_id, "asked-for", on_demand=True))
            await eventually(lambda: sum(bench.requests.values()) > asked)
        assert {item.state for item in await bench.conditions()} == {ConditionState.RAISED}


async def test_a_paused_job_is_not_written_to_until_it_is_started(database_url: str) -> None:
    async with a_bench(database_url) as bench:
        await bench.save_job(schedule=ScheduleState.PAUSED)
        await bench.take(a_command(bench.job_id, "ann"))
        other = Bench(
            frame=bench.frame,
            settings=bench.settings,
            target=bench.target,
            job=bench.job.model_copy(update={"job_id": "running", "schedule": ScheduleState.ACTIVE, "secrets": {}}),
            configuration=bench.configuration,
        )
        await other.save_job(token=bench.target.scim.configurations.reissue(bench.configuration))
        await other.take(a_command("running", "bob"), a_command("running", "cy"))
        async with executing(bench):
            await eventually(lambda: len(bench.accounts()) == 2)
            assert (await bench.states())["ann"] == "ready"
            token = bench.target.scim.configurations.reissue(bench.configuration)
            await bench.save_job(schedule=ScheduleState.ACTIVE, token=token)
            await eventually(lambda: len(bench.accounts()) == 3)


async def test_an_update_of_an_account_that_is_gone_creates_it_anew(database_url: str) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        await bench.take(a_command(bench.job_id, "ann"))
        await eventually(lambda: all_settled(bench))
        (account,) = list(bench.target.scim.accounts)
        bench.target.scim.users.remove(account)
        await bench.take(an_update(bench.job_id, "ann", 2, old={}, title="Director"))
        await eventually(lambda: [held["title"] for held in bench.accounts()] == ["Director"])
        await eventually(lambda: all_settled(bench))
        outcome = (await bench.outcomes())[-1]
        assert outcome.target_id == bench.accounts()[0]["id"]
        assert Code.INVALID_ANCHOR in outcome.steps[0].description
