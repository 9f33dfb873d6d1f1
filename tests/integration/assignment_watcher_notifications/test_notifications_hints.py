"""From a change in the directory to a hint at the loop that polls, through everything that can happen to a notification on its way."""

import asyncio
import time
from typing import Any

import orjson
import pytest

from tests.support.builders_notifications import JOB, a_directory, a_replica, reached
from tests.support.eventually import eventually


async def test_a_change_becomes_a_hint_soon(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        await replica.subscribed()
        began = time.monotonic()
        await directory.change_a_user()
        await eventually(reached(replica, 1), within=1.5, every=0.005)
        assert time.monotonic() - began < 1.5
        assert (await directory.counts())["delivered"] == 1


async def test_two_subscriptions_and_no_more_are_made(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        made = await replica.subscribed()
        assert [item["resource"] for item in made] == ["groups", "users"]
        assert {item["changeType"] for item in made} == {"updated,deleted"}
        assert {item["notificationUrl"] for item in made} == {f"{replica.url}/{JOB}"}
        assert {item["lifecycleNotificationUrl"] for item in made} == {f"{replica.url}/{JOB}"}


async def test_the_client_state_is_long_random_and_stored_nowhere(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        states = [item["clientState"] for item in await replica.subscribed()]
        assert len(set(states)) == 2
        assert all(43 <= len(state) <= 128 for state in states)
        stored = repr(await replica.rows())
        said = "".join(capsys.readouterr())
        assert not [state for state in states if state in stored or state in said]


async def test_a_lost_notification_is_only_a_missing_hint(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        await replica.subscribed()
        await directory.fault("Users/", "notificationLost")
        await directory.change_a_user()
        await directory.change_a_user()
        await eventually(reached(replica, 1))
        counts = await directory.counts()
        assert (counts["lost"], counts["delivered"]) == (1, 1)


async def test_a_doubled_notification_is_a_hint_like_any_other(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        await replica.subscribed()
        await directory.fault("Users/", "notificationDoubled")
        await directory.change_a_user()
        await eventually(lambda: delivered(directory, 2))
        await eventually(reached(replica, 1))
        assert replica.hints <= 2


async def test_a_late_notification_is_still_a_hint(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        await replica.subscribed()
        await directory.fault("Users/", "notificationLate", seconds=3600)
        await directory.change_a_user()
        await directory.ask("POST", "/_sim/clock/advance", {"seconds": 3601})
        await eventually(reached(replica, 1))


async def test_reordered_notifications_are_hints_all_the_same(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        await replica.subscribed()
        await directory.fault("Users/", "notificationReordered", seconds=3600)
        await directory.change_a_user()
        await directory.change_a_user()
        await eventually(lambda: delivered(directory, 2))
        await eventually(reached(replica, 1))


async def test_a_wrong_client_state_is_dropped_silently(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        await replica.subscribed()
        await directory.fault("Users/", "notificationWrongClientState")
        await directory.change_a_user()
        # The endpoint took it: the sender learns nothing.
        await eventually(lambda: delivered(directory, 1))
        assert replica.hints == 0
        await directory.change_a_user()
        await eventually(reached(replica, 1))


async def test_a_hint_reaches_the_process_that_polls_whichever_was_told(database_url: str) -> None:
    async with (
        a_directory() as directory,
        a_replica(database_url, directory) as told,
        a_replica(database_url, directory, url=told.url) as polling,
        polling.following(),
    ):
        await polling.subscribed()
        await directory.change_a_user()
        await eventually(reached(polling, 1), within=2)
        assert told.hints == 0


async def test_a_burst_of_notifications_is_few_hints_and_every_answer_is_quick(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        [_, users] = await replica.subscribed()
        body = orjson.dumps({"value": [{"clientState": users["clientState"], "changeType": "updated"}] * 50})

        async def post() -> float:
            began = time.monotonic()
            status, _, _ = await replica.post(f"/{JOB}", data=body, headers={"Content-Type": "application/json"})
            assert status == 202
            return time.monotonic() - began

        took = await asyncio.gather(*(post() for _ in range(200)))
        assert max(took) < 2.9
        await eventually(reached(replica, 1))
        assert replica.hints < 50


async def test_hints_go_on_after_the_listening_connection_was_cut(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        await replica.subscribed()
        async with replica.frame.connection() as connection:
            cut = await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query ILIKE 'LISTEN%'"
            )
        assert cut == 1

        async def hinted() -> bool:
            await directory.change_a_user()
            return replica.hints > 0

        await eventually(hinted, within=10, every=0.2)


async def delivered(directory: Any, count: int) -> bool:
    return int((await directory.counts()).get("delivered", 0)) >= count
