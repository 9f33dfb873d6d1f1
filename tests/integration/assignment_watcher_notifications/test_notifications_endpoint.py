"""What the endpoint answers to anybody on the internet."""

from io import BytesIO

import orjson
import pytest

from services.assignment_watcher.notifications.lifecycle import Notifications
from shared.runtime.errors import StartRefusedError
from tests.support.builders_notifications import (
    JOB,
    a_directory,
    a_replica,
    free_port,
    notification_settings,
)
from tests.support.eventually import eventually

JSON = {"Content-Type": "application/json"}


async def test_the_handshake_answers_with_the_decoded_token_as_plain_text(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        await replica.subscribed()
        status, headers, text = await replica.post(f"/{JOB}", params={"validationToken": "a token: +/= with spaces"})
        assert (status, text) == (200, "a token: +/= with spaces")
        assert headers["Content-Type"].startswith("text/plain")
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_no_handshake_answer_is_a_page(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        await replica.subscribed()
        status, _, text = await replica.post(f"/{JOB}", params={"validationToken": "<script>alert(1)</script>"})
        assert (status, "<" in text) == (200, False)
        status, _, _ = await replica.post(f"/{JOB}", params={"validationToken": "x" * 3000})
        assert status == 400


async def test_nobody_shakes_hands_for_a_job_that_asked_for_nothing(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica:
        for path in (f"/{JOB}", "/another", "/"):
            status, _, text = await replica.post(path, params={"validationToken": "token"})
            assert (status, text) == (404, "")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", JSON, 400),
        (b"not json", JSON, 400),
        (b'{"value": []}', {"Content-Type": "text/plain"}, 415),
        (b'{"value": [' + b" " * 1_100_000 + b"]}", JSON, 413),
        (b'{"value": [{"clientState": "guessed"}]}', JSON, 202),
        (b'{"value": [{"clientState": "guessed", "lifecycleEvent": "subscriptionRemoved"}]}', JSON, 202),
    ],
)
async def test_what_strangers_send_changes_nothing(
    database_url: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        before = await replica.subscribed()
        answered, _, text = await replica.post(f"/{JOB}", data=BytesIO(body), headers=headers)
        assert (answered, text) == (status, "")
        # What is genuine and comes later is told later: when it has arrived, the rest would have, too.
        genuine = orjson.dumps({"value": [{"clientState": before[0]["clientState"]}]})
        assert (await replica.post(f"/{JOB}", data=genuine, headers=JSON))[0] == 202
        await eventually(lambda: replica.hints > 0)
        assert replica.hints == 1
        assert await directory.subscriptions() == before


async def test_a_client_state_is_good_for_its_own_job_only(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica, replica.following():
        [_, users] = await replica.subscribed()
        body = orjson.dumps({"value": [{"clientState": users["clientState"]}]})
        status, _, _ = await replica.post("/another", data=body, headers=JSON)
        assert status == 202
        assert (await replica.post(f"/{JOB}", data=body, headers=JSON))[0] == 202
        await eventually(lambda: replica.hints > 0)
        assert replica.hints == 1


async def test_other_methods_are_refused_and_no_page_is_there(database_url: str) -> None:
    async with a_directory() as directory, a_replica(database_url, directory) as replica:
        for method in ("GET", "PUT", "DELETE"):
            async with directory.session.request(method, f"{replica.url}/{JOB}") as response:
                assert response.status == 405
        for path in ("/metrics", "/readyz"):
            async with directory.session.get(replica.url + path) as response:
                assert response.status == 405


@pytest.mark.parametrize(
    "url",
    [
        "http://watch.example/n",
        "watch.example",
        "https://user:x@watch.example",
        "https://watch.example/n?a=b",
        "ftp://x",
    ],
)
def test_an_address_that_cannot_work_is_refused_at_the_start(url: str) -> None:
    settings = notification_settings("postgresql://nobody@127.0.0.1/x", assignment_watcher_notification_url=url)
    with pytest.raises(StartRefusedError, match="SEATKEEPER_ASSIGNMENT_WATCHER_NOTIFICATION_URL"):
        Notifications(settings, lambda: pytest.fail("nothing is opened"))


async def test_a_port_that_is_taken_is_said(database_url: str) -> None:
    port = free_port()
    async with a_directory() as directory, a_replica(database_url, directory, port=port) as replica:
        settings = replica.frame.settings
        second = Notifications(settings, lambda: pytest.fail("nothing is opened"))  # type: ignore[arg-type] # they are notification settings
        with pytest.raises(StartRefusedError, match="SEATKEEPER_ASSIGNMENT_WATCHER_NOTIFICATION_PORT"):
            await second.run(replica.frame)
