"""The mail sink through its two sockets: what is kept, what is refused, what is lost on demand."""

import asyncio
import time
from typing import Any

import aiosmtplib
import pytest

from tests.conformance.mail.conftest import Post, mail
from tests.support.eventually import eventually


async def test_a_message_is_kept_as_it_came(post: Post) -> None:
    before = time.time()
    await post.send("Provisioning errors: Ärger", to=["team@example.com", "Other@example.com"])
    (kept,) = await post.messages()
    assert kept["from"] == "seatkeeper@example.com"
    assert kept["to"] == ["team@example.com", "Other@example.com"]
    assert (kept["subject"], kept["messageId"]) == ("Provisioning errors: Ärger", "<one@seatkeeper.example.com>")
    assert kept["headers"]["X-Job"] == ["a", "b"]
    assert kept["headers"]["To"] == ["team@example.com"]
    assert kept["text"].strip() == "Two people have failed: Ärger."
    assert kept["html"].strip() == "<p>Two people have failed.</p>"
    assert before <= kept["at"] <= time.time()
    status, raw = await post.sim("GET", f"/_sim/messages/{kept['id']}/raw")
    assert (status, "X-Job: b" in raw) == (200, True)


async def test_messages_are_found_by_recipient_and_forgotten(post: Post) -> None:
    await post.send("One", to=["a@example.com"])
    await post.send("Two", to=["b@example.com"])
    _, found = await post.sim("GET", "/_sim/messages?to=B@example.com")
    assert [each["subject"] for each in found] == ["Two"]
    assert (await post.sim("DELETE", "/_sim/messages"))[0] == 204
    assert await post.messages() == []
    assert (await post.sim("GET", "/_sim/messages/message-1/raw"))[0] == 404
    await post.send("Three")
    assert [each["id"] for each in await post.messages()] == ["message-3"]


async def test_only_so_many_messages_are_kept(post: Post) -> None:
    for number in range(8):
        await post.send(f"Number {number}")
    assert [each["subject"] for each in await post.messages()] == [f"Number {number}" for number in range(3, 8)]
    _, state = await post.sim("GET", "/_sim/state")
    assert (state["messages"], state["received"]) == (5, 8)


async def test_a_message_of_text_only_has_no_html_and_an_odd_charset_is_read(post: Post) -> None:
    message = mail()
    message.clear_content()
    message.set_content("plain")
    message.replace_header("Content-Type", 'text/plain; charset="no-such-charset"')
    await post.send(message=message)
    (kept,) = await post.messages()
    assert (kept["text"].strip(), kept["html"]) == ("plain", None)


async def test_a_line_that_starts_with_a_dot_survives(post: Post) -> None:
    message = mail()
    message.clear_content()
    message.set_content(".\n..two\nend\n")
    await post.send(message=message)
    assert (await post.messages())[0]["text"].splitlines() == [".", "..two", "end"]


@pytest.mark.parametrize(
    ("stage", "error"),
    [
        ("connect", aiosmtplib.SMTPConnectError),
        ("mail", aiosmtplib.SMTPSenderRefused),
        ("rcpt", aiosmtplib.SMTPRecipientsRefused),
        ("data", aiosmtplib.SMTPDataError),
    ],
)
@pytest.mark.parametrize("code", [451, 554])
async def test_mail_is_refused_at_each_stage_so_many_times(
    post: Post, stage: str, error: type[Exception], code: int
) -> None:
    await post.fault(kind="reject", stage=stage, code=code, times=2)
    for _ in range(2):
        with pytest.raises(error) as raised:
            await post.send()
        refused: Any = raised.value
        if stage == "rcpt":
            refused = refused.recipients[0]
        assert refused.code == code
    assert await post.messages() == []
    await post.send()
    assert len(await post.messages()) == 1
    assert await post.sim("GET", "/_sim/faults") == (200, [])


async def test_one_recipient_can_be_refused(post: Post) -> None:
    await post.fault(kind="reject", stage="rcpt", code=550, recipientContains="NOBODY")
    refused, _ = await post.send(to=["team@example.com", "nobody@example.com"])
    assert list(refused) == ["nobody@example.com"]
    assert (await post.messages())[0]["to"] == ["team@example.com"]


async def test_drop_after_data_keeps_the_mail_and_answers_nothing(post: Post) -> None:
    await post.fault(kind="dropAfterData", times=1)
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await post.send("Lost answer")
    assert [each["subject"] for each in await post.messages()] == ["Lost answer"]
    await post.send("Next")
    assert len(await post.messages()) == 2


@pytest.mark.parametrize("stage", ["connect", "mail", "rcpt", "data"])
async def test_a_stall_holds_the_session(post: Post, stage: str) -> None:
    await post.fault(kind="stall", seconds=0.3, stage=stage, times=1)
    started = time.perf_counter()
    sending = asyncio.create_task(post.send())

    async def taken() -> bool:
        return (await post.sim("GET", "/_sim/faults"))[1] == []

    await eventually(taken)
    assert await post.messages() == []
    await sending
    assert time.perf_counter() - started >= 0.3
    assert len(await post.messages()) == 1


async def test_faults_are_shown_and_lifted(post: Post) -> None:
    await post.fault(kind="reject", stage="data", code=452)
    await post.fault(kind="stall", seconds=9)
    _, shown = await post.sim("GET", "/_sim/faults")
    assert [(each["kind"], each["stage"], each["times"]) for each in shown] == [
        ("reject", "data", None),
        ("stall", "data", None),
    ]
    assert (await post.sim("DELETE", f"/_sim/faults/{shown[0]['id']}"))[0] == 204
    assert (await post.sim("DELETE", f"/_sim/faults/{shown[0]['id']}"))[0] == 404
    assert (await post.sim("DELETE", "/_sim/faults"))[0] == 204
    await post.send()


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ([], "body"),
        ({}, "kind"),
        ({"kind": "explode"}, "kind"),
        ({"kind": "reject"}, "stage"),
        ({"kind": "reject", "stage": "quit"}, "stage"),
        ({"kind": "reject", "stage": "data", "code": 250}, "code"),
        ({"kind": "reject", "stage": "data", "code": "451"}, "code"),
        ({"kind": "reject", "stage": "data", "seconds": 1}, "seconds"),
        ({"kind": "reject", "stage": "data", "recipientContains": "x"}, "recipientContains"),
        ({"kind": "dropAfterData", "times": 0}, "times"),
        ({"kind": "stall"}, "seconds"),
        ({"kind": "stall", "seconds": -1}, "seconds"),
    ],
)
async def test_a_fault_that_cannot_be_names_its_field(post: Post, fault: Any, field: str) -> None:
    status, content = await post.sim("POST", "/_sim/faults", fault)
    assert (status, content["field"]) == (400, field)
    assert await post.sim("GET", "/_sim/faults") == (200, [])


async def test_the_page_shows_mail_and_runs_none_of_it(post: Post) -> None:
    assert "No mail yet." in (await post.sim("GET", "/"))[1]
    await post.send("<script>alert(1)</script>")
    status, page = await post.sim("GET", "/")
    assert (status, "<script>" in page, "&lt;script&gt;" in page) == (200, False, True)


async def test_closing_ends_open_sessions(post: Post) -> None:
    client = aiosmtplib.SMTP(hostname=post.simulator.host, port=post.simulator.smtp_port, timeout=5)
    await client.connect()
    await asyncio.wait_for(post.simulator.close(), 2)
    with pytest.raises(aiosmtplib.SMTPException):
        await client.ehlo()
    client.close()
