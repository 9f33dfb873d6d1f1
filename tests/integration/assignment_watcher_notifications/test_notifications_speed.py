"""The whole watcher with change notifications: from a change in the directory to what is said about it."""

import asyncio
import statistics
import time
from datetime import timedelta

from services.assignment_watcher.app import build
from services.assignment_watcher.settings import WatcherSettings
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.topics import WATCHER
from shared.runtime.frame import Frame
from tests.support.builders_notifications import (
    Directory,
    a_directory,
    free_port,
    listening,
    save,
    the_job,
)
from tests.support.eventually import eventually
from tests.support.frames import opened_frame, outbox, settings_for

CHANGES = 9


async def said(frame: Frame, user: str, title: str) -> bool:
    return any(
        row["headers"]["ce_type"] == DirectoryAssignment.type
        and row["payload"]["objectId"] == user
        and row["payload"]["attributes"].get("givenName") == title
        for row in await outbox(frame)
    )


async def seconds_to_event(frame: Frame, directory: Directory, user: str, number: int) -> float:
    mutation = {"op": "updateUser", "userId": user, "properties": {"givenName": f"Name {number}"}}
    began = time.monotonic()
    await directory.ask("POST", "/_sim/tx", {"mutations": [mutation]})
    await eventually(lambda: said(frame, user, f"Name {number}"), within=20)
    return time.monotonic() - began


async def test_from_a_change_to_its_event_it_takes_less_than_two_seconds_for_half_of_all(
    database_url: str,
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/n"
    settings = settings_for(
        database_url,
        kind=WatcherSettings,
        assignment_watcher_notification_url=address,
        assignment_watcher_notification_port=port,
    )
    async with a_directory(users=200, groups=3) as directory, opened_frame(WATCHER, settings) as frame:
        user = (await directory.ask("GET", "/_sim/users?limit=1"))["users"][0]["id"]
        assign = {"op": "assign", "principalType": "User", "principalId": user, "role": "User"}
        await directory.ask("POST", "/_sim/tx", {"mutations": [assign]})
        record = the_job(frame, directory)
        assert record.definition.settings.interval >= timedelta(minutes=1), "the poll alone would take half a minute"
        await save(frame, record)
        loops = [asyncio.create_task(item.run(frame)) for item in build(settings).background]
        try:
            await eventually(lambda: listening(directory.session, address))
            await eventually(lambda: subscribed(directory), within=10)
            took = [await seconds_to_event(frame, directory, user, number) for number in range(CHANGES)]
            assert statistics.median(took) < 2.0, took
        finally:
            frame.stopping.set()
            await asyncio.wait_for(asyncio.gather(*loops), 10)


async def subscribed(directory: Directory) -> bool:
    return len(await directory.subscriptions()) == 2
