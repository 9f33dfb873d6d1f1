"""The life of subscriptions: made, renewed, made anew, ended; and what Microsoft Graph says against it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.builders_notifications import (
    JOB,
    Directory,
    Replica,
    a_directory,
    a_replica,
    deleted,
    free_port,
    paused,
    reached,
    save,
    the_job,
)
from tests.support.eventually import eventually


async def pass_days(replica: Replica, days: float) -> None:
    """Time passes for everybody."""
    replica.clock.by += timedelta(days=days)
    await replica.directory.ask("POST", "/_sim/clock/advance", {"seconds": int(days * 86_400)})


def expiries(subscriptions: list[dict[str, Any]]) -> list[datetime]:
    return [datetime.fromisoformat(item["expirationDateTime"]) for item in subscriptions]


async def test_it_is_renewed_at_half_of_its_life_with_the_same_client_state(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        before = await replica.subscribed()
        await pass_days(replica, 13.5)
        assert [item["id"] for item in await replica.subscribed()] == [item["id"] for item in before]
        assert "subscription" not in await directory.requests()
        await pass_days(replica, 1)

        async def renewed() -> bool:
            return min(expiries(await directory.subscriptions())) > max(expiries(before)) + timedelta(days=14)

        await eventually(renewed)
        after = await directory.subscriptions()
        assert [(item["id"], item["clientState"]) for item in after] == [
            (item["id"], item["clientState"]) for item in before
        ]


async def test_what_expired_while_nobody_looked_is_made_anew_with_another_client_state(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica:
        async with replica.following():
            before = await replica.subscribed()
        await pass_days(replica, 40)
        assert await directory.subscriptions() == []
        async with replica.following():
            after = await replica.subscribed()
            assert not {item["clientState"] for item in before} & {item["clientState"] for item in after}
            await directory.change_a_user()
            await eventually(reached(replica, 1))


async def test_what_is_gone_at_its_renewal_is_made_anew(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        before = {item["id"] for item in await replica.subscribed()}
        await directory.ask("DELETE", "/_sim/subscriptions")
        await pass_days(replica, 15)

        async def anew() -> bool:
            found = {item["id"] for item in await directory.subscriptions()}
            return len(found) == 2 and not found & before

        await eventually(anew)


async def test_subscriptions_outlive_the_process_and_are_taken_over(database_url: str) -> None:
    async with a_directory() as directory:
        port = free_port()
        async with a_replica(database_url, directory, port=port) as replica, replica.following():
            before = await replica.subscribed()
            replica.frame.stopping.set()
        async with a_replica(database_url, directory, port=port) as replica, replica.following():
            assert await replica.subscribed() == before
            await directory.change_a_user()
            await eventually(reached(replica, 1))
            assert (await directory.requests())["subscriptions"] == 4, (
                "two were made, and twice it was looked for others"
            )


async def test_a_reauthorization_is_answered(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        made = await replica.subscribed()
        await directory.lifecycle("reauthorizationRequired")

        async def answered() -> bool:
            return set((await directory.counts())["reauthorized"]) == {item["id"] for item in made}

        await eventually(answered)
        await eventually(lambda: without_wishes(replica))
        assert replica.hints == 0


async def test_a_removed_subscription_is_made_anew_and_polled_for(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        before = {item["id"] for item in await replica.subscribed()}
        await directory.lifecycle("subscriptionRemoved")
        await eventually(reached(replica, 1))

        async def anew() -> bool:
            found = {item["id"] for item in await directory.subscriptions()}
            return len(found) == 2 and not found & before

        await eventually(anew)


async def test_missed_notifications_are_polled_for_and_an_unknown_event_is_ignored(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        before = await replica.subscribed()
        await directory.lifecycle("somethingNew")
        await eventually(lambda: delivered(directory, 2))
        assert replica.hints == 0
        await directory.lifecycle("missed")
        await eventually(reached(replica, 1))
        assert await directory.subscriptions() == before


async def test_a_wish_noted_by_another_process_is_heard(database_url: str) -> None:
    async with (
        a_directory() as directory,
        a_replica(database_url, directory) as told,
        a_replica(database_url, directory, url=told.url, look_seconds=3600) as keeping,
        keeping.following(),
    ):
        made = await keeping.subscribed()
        await directory.lifecycle("reauthorizationRequired")

        async def answered() -> bool:
            return set((await directory.counts())["reauthorized"]) == {item["id"] for item in made}

        await eventually(answered)


async def test_a_pause_and_a_deletion_end_the_subscriptions(database_url: str) -> None:
    for change in (paused, deleted):
        async with a_directory() as directory, a_replica(database_url, directory) as replica:
            record = the_job(replica.frame, directory, version=10 if change is paused else 20)
            await save(replica.frame, record)
            async with replica.following():
                await replica.subscribed()
                await save(replica.frame, change(record))
            assert await directory.subscriptions() == []
            assert await replica.rows() == []


async def test_a_job_that_was_paused_while_nobody_watched_is_cleared_up(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica:
        async with replica.following():
            await replica.subscribed()
        assert len(await replica.rows()) == 2, "a job that moves to another process keeps them"
        await save(replica.frame, paused(the_job(replica.frame, directory)))
        await eventually(lambda: none_left(replica))
        assert await directory.subscriptions() == []


async def test_a_job_that_was_deleted_while_nobody_watched_is_forgotten(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica:
        async with replica.following():
            await replica.subscribed()
        # Its secrets are gone with it: nothing can be ended, everything ends by itself.
        await save(replica.frame, deleted(the_job(replica.frame, directory)))
        await eventually(lambda: none_left(replica))


async def test_switched_off_everything_ends_and_nothing_listens(database_url: str) -> None:
    async with a_directory() as directory:
        async with a_replica(database_url, directory) as replica, replica.following():
            await replica.subscribed()
            replica.frame.stopping.set()
        async with a_replica(database_url, directory, on=False) as replica, replica.following():
            await eventually(lambda: none_left(replica))
            assert await directory.subscriptions() == []
            with pytest.raises(OSError, match=r"Cannot connect|refused"):
                await replica.post(f"/{JOB}")


async def test_switched_off_no_loop_counts_as_stalled(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.runtime.health.STALLED_AFTER_SECONDS", 0.0)
    async with a_directory() as directory, a_replica(database_url, directory, on=False) as replica:
        await eventually(lambda: replica.frame.health.stalled() == [])


async def test_another_address_replaces_the_subscriptions(database_url: str) -> None:
    async with a_directory() as directory:
        async with a_replica(database_url, directory) as replica, replica.following():
            await replica.subscribed()
            replica.frame.stopping.set()
        async with a_replica(database_url, directory) as replica, replica.following():

            async def moved() -> bool:
                found = await directory.subscriptions()
                return [item["notificationUrl"] for item in found] == [f"{replica.url}/{JOB}"] * 2

            await eventually(moved)


async def test_what_a_lost_answer_left_behind_is_ended(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica:
        await directory.fault("^/v1.0/subscriptions$", "truncate", times=1)
        async with replica.following():
            await replica.subscribed()
            await eventually(lambda: made(directory, 2))


async def test_an_address_that_cannot_be_reached_is_said_and_tried_again(database_url: str) -> None:
    async with a_directory() as directory:
        dead = f"http://127.0.0.1:{free_port()}/n"
        async with a_replica(database_url, directory, url=dead) as replica, replica.following():
            await eventually(lambda: problems(replica, "NOTIFICATION_URL"))
            assert replica.frame.health.waiting == {}, "an unready process gets no traffic, the handshake least of all"
            before = (await directory.requests())["subscriptions"]
            await pass_days(replica, 0.001)

            async def tried_again() -> bool:
                return (await directory.requests())["subscriptions"] >= before + 2

            await eventually(tried_again)


async def test_a_full_quota_is_said_and_one_stream_does_not_stop_the_other(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica:
        await directory.ask("POST", "/_sim/knobs", {"subscriptionQuota": 1})
        async with replica.following():
            await eventually(lambda: problems(replica, "as many subscriptions"))
            assert len(await directory.subscriptions()) == 1
            await directory.ask("POST", "/_sim/knobs", {"subscriptionQuota": 100})
            await pass_days(replica, 0.001)
            await replica.subscribed()
            assert [row["problem"] for row in await replica.rows()] == [None, None]


async def without_wishes(replica: Replica) -> bool:
    return all(row["wish"] is None for row in await replica.rows())


async def none_left(replica: Replica) -> bool:
    return not await replica.rows()


async def problems(replica: Replica, text: str) -> bool:
    return any(text in (row["problem"] or "") for row in await replica.rows())


async def made(directory: Directory, count: int) -> bool:
    return len(await directory.subscriptions()) == count


async def delivered(directory: Directory, count: int) -> bool:
    return int((await directory.counts()).get("delivered", 0)) >= count
