"""notifier on a real PostgreSQL and a real SMTP session (I6: at most one mail for one event)."""

import asyncio
import signal
import socket
import sys
import textwrap
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.notifier.app import build
from services.notifier.settings import NotifierSettings
from shared.contracts.changes import Operation
from shared.contracts.failure_codes import Code
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ConditionState, ProvisioningOutcome
from shared.runtime.errors import StartRefusedError
from tests.support.builders_notifier import (
    QUICK,
    MailSink,
    Notifier,
    a_notifier,
    condition,
    failed,
    mail_sink,
    succeeded,
)
from tests.support.eventually import eventually
from tests.support.frames import settings_for


@pytest.fixture(scope="session")
async def shared_sink() -> AsyncIterator[MailSink]:
    async with mail_sink() as running:
        yield running


@pytest.fixture
async def sink(shared_sink: MailSink) -> MailSink:
    await shared_sink.lift()
    return shared_sink


@pytest.fixture
async def notifier(database_url: str, sink: MailSink) -> AsyncIterator[Notifier]:
    async with a_notifier(database_url, sink.smtp_url) as running:
        yield running


async def inbox(sink: MailSink, notifier: Notifier) -> list[dict[str, Any]]:
    return [mail for mail in await sink.messages() if notifier.recipient in mail["to"]]


async def until_mailed(sink: MailSink, notifier: Notifier, text: str) -> list[dict[str, Any]]:
    """Waits for a mail that holds `text`, and returns all that came until then."""

    async def arrived() -> list[dict[str, Any]]:
        mails = await inbox(sink, notifier)
        return mails if any(text in mail["text"] for mail in mails) else []

    return await eventually(arrived, within=10)


async def test_failures_that_come_together_are_one_mail_grouped_by_cause(notifier: Notifier, sink: MailSink) -> None:
    await notifier.define()
    await notifier.give(*(failed(f"user-{number:02}") for number in range(12)))
    await notifier.give(failed("user-x", code=Code.MISSING_VALUES, status=400))
    async with notifier.sending():
        await notifier.settled("sent")
    [mail] = await inbox(sink, notifier)
    assert mail["subject"] == "Seatkeeper, Sales Navigator: 13 users could not be provisioned"
    text = mail["text"]
    assert "Conflict: 12 (HTTP status 409)" in text
    assert "MissingValues: 1 (HTTP status 400)" in text
    assert text.index("Conflict") < text.index("MissingValues")
    assert all(f"user-{number:02}" in text for number in range(10))
    assert "user-10" not in text
    assert "the first 10 of 12" in text
    [row] = await notifier.mails()
    assert mail["messageId"] == f"<{row['id']}@sender.example>"
    assert set(mail["headers"]) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
    }  # fmt: skip


async def test_groups_that_fail_are_mailed_apart_from_users_and_recover_like_them(
    notifier: Notifier, sink: MailSink
) -> None:
    def group(outcome: ProvisioningOutcome) -> ProvisioningOutcome:
        return outcome.model_copy(update={"object_type": ObjectType.GROUP})

    await notifier.define()
    async with notifier.sending():
        await notifier.give(failed("u1"), group(failed("g1")))
        await notifier.settled("sent", "sent")
        await notifier.give(group(succeeded("g1")), group(failed("g1", 3)))
        await notifier.settled("sent", "sent", "sent")
    subjects = sorted(mail["subject"].partition(": ")[2] for mail in await inbox(sink, notifier))
    assert subjects == ["1 group could not be provisioned"] * 2 + ["1 user could not be provisioned"]


async def test_i6_the_same_outcome_twice_is_one_mail(notifier: Notifier, sink: MailSink) -> None:
    await notifier.define()
    async with notifier.sending():
        await notifier.give(failed(), failed())
        await notifier.settled("sent")
        await notifier.give(failed())
        await notifier.give(failed("other"))
        await notifier.settled("sent", "sent")
    assert ["u1" in mail["text"] for mail in await inbox(sink, notifier)] == [True, False]


async def test_i6_a_user_that_keeps_failing_is_mailed_again_only_after_it_recovered(
    notifier: Notifier, sink: MailSink
) -> None:
    await notifier.define()
    async with notifier.sending():
        await notifier.give(failed(generation=1))
        await notifier.settled("sent")
        await notifier.give(failed(generation=2), failed(generation=3))
        await notifier.give(failed(generation=4, code=Code.TIMEOUT, status=None))
        await notifier.settled("sent", "sent")
        await notifier.give(succeeded(generation=5))
        await notifier.give(failed(generation=6))
        await notifier.settled("sent", "sent", "sent")
    codes = ["Timeout" in mail["text"] for mail in await inbox(sink, notifier)]
    assert codes == [False, True, False]


async def test_a_comparison_is_neither_a_failure_nor_a_recovery(notifier: Notifier, sink: MailSink) -> None:
    def comparison(outcome: ProvisioningOutcome) -> ProvisioningOutcome:
        return outcome.model_copy(update={"operation": Operation.COMPARE})

    await notifier.define()
    async with notifier.sending():
        await notifier.give(failed(generation=1), comparison(failed("compared")))
        await notifier.settled("sent")
        await notifier.give(comparison(succeeded(generation=2)))
        await notifier.give(failed(generation=3))
        await notifier.give(failed("other"))
        await notifier.settled("sent", "sent")
    mails = await inbox(sink, notifier)
    assert ["u1" in mail["text"] for mail in mails] == [True, False]
    assert not any("compared" in mail["text"] for mail in mails)


async def test_late_messages_of_older_generations_are_no_failure_and_no_recovery(
    notifier: Notifier, sink: MailSink
) -> None:
    await notifier.define()
    async with notifier.sending():
        await notifier.give(failed(generation=3))
        await notifier.settled("sent")
        await notifier.give(failed(generation=1))
        await notifier.give(succeeded(generation=2))
        await notifier.give(failed(generation=4))
        await notifier.written()
        await notifier.give(failed("marker"))
        mails = await until_mailed(sink, notifier, "marker")
    assert len(mails) == 2
    assert [mail["problems"] for mail in await notifier.mails()] == [1, 1]


async def test_failures_after_a_mail_are_collected_into_a_digest(database_url: str, sink: MailSink) -> None:
    async with a_notifier(database_url, sink.smtp_url, notifier_digest_seconds=2) as notifier, notifier.sending():
        await notifier.define()
        await notifier.give(failed("a"))
        await notifier.settled("sent")
        await notifier.give(failed("b"))
        await notifier.give(failed("c"))
        await notifier.settled("sent", "sent")
        first, second = await notifier.mails()
        assert (second["created_at"] - first["created_at"]).total_seconds() >= 2
        assert second["problems"] == 2


@pytest.mark.parametrize(
    ("job", "reason"),
    [({"on_failure": False}, "does not ask for mails"), ({"email": None}, "has no Notification Email")],
)
async def test_a_job_that_wants_no_mail_gets_none_and_it_is_said_why(
    notifier: Notifier, sink: MailSink, job: dict[str, Any], reason: str
) -> None:
    await notifier.define(**job)
    async with notifier.sending():
        await notifier.give(failed())
        await notifier.settled("suppressed")
        await notifier.define(version=2)
        await notifier.give(failed(generation=2))
        await notifier.settled("suppressed", "sent")
    assert reason in (await notifier.mails())[0]["reason"]
    assert len(await inbox(sink, notifier)) == 1


async def test_a_condition_of_the_job_is_mailed_once_until_it_is_cleared(notifier: Notifier, sink: MailSink) -> None:
    await notifier.define()
    async with notifier.sending():
        await notifier.give(condition())
        await notifier.settled("sent")
        await notifier.give(condition(sequence=2))
        await notifier.written()
        await notifier.give(condition(sequence=3, state=ConditionState.CLEARED))
        await notifier.give(condition(sequence=4))
        await notifier.written()
        await notifier.give(condition("targetUnreachable", sequence=5))
        mails = await until_mailed(sink, notifier, "targetUnreachable")
    assert ["credentialsRefused" in mail["text"] for mail in mails] == [True, True, False]
    assert all("needs attention" in mail["subject"] for mail in mails)


async def test_a_server_that_is_down_is_said_and_the_mail_is_delivered_once_when_it_is_back(
    database_url: str, sink: MailSink
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed_port = taken.getsockname()[1]
        async with a_notifier(database_url, f"smtp://127.0.0.1:{closed_port}") as notifier:
            await notifier.define()
            await notifier.give(failed())
            async with notifier.sending():
                await eventually(lambda: "smtp" in notifier.frame.health.waiting, within=10)
                await notifier.settled("failed")
            [row] = await notifier.mails()
            assert "cannot be used" in row["reason"]
            assert row["attempts"] >= 1
    async with a_notifier(database_url, sink.smtp_url) as notifier:
        await notifier.define(version=2)
        async with notifier.sending():
            await notifier.settled("sent")
            await eventually(lambda: not notifier.frame.health.waiting)
        assert len(await inbox(sink, notifier)) == 1


@pytest.mark.parametrize("stage", ["connect", "mail", "rcpt", "data"])
@pytest.mark.parametrize("code", [421, 451, 550])
async def test_i6_a_refused_mail_is_tried_again_with_the_same_message_id(
    notifier: Notifier, sink: MailSink, stage: str, code: int
) -> None:
    await sink.fault(kind="reject", stage=stage, code=code, times=2)
    await notifier.define()
    await notifier.give(failed())
    async with notifier.sending():
        await notifier.settled("sent")
    [mail] = await inbox(sink, notifier)
    [row] = await notifier.mails()
    assert row["attempts"] == 3
    assert str(row["id"]) in mail["messageId"]


async def test_i6_a_mail_without_an_answer_is_uncertain_and_never_repeated(notifier: Notifier, sink: MailSink) -> None:
    await sink.fault(kind="dropAfterData", times=1)
    await notifier.define()
    await notifier.give(failed())
    async with notifier.sending():
        await notifier.settled("uncertain")
        await notifier.give(failed("other"))
        await notifier.settled("uncertain", "sent")
    assert "not sent again" in (await notifier.mails())[0]["reason"]
    assert len(await inbox(sink, notifier)) == 2


async def test_without_a_mail_server_mails_wait_and_it_is_said_why(database_url: str, sink: MailSink) -> None:
    async with a_notifier(database_url, None) as notifier:
        await notifier.define()
        async with notifier.sending():
            await eventually(lambda: not notifier.frame.health.waiting)
            await notifier.give(failed())
            await notifier.settled("pending")
            await eventually(lambda: "SEATKEEPER_SMTP_URL" in notifier.frame.health.waiting.get("smtp", ""))


async def test_a_mail_that_nobody_takes_is_given_up_and_says_so(database_url: str, sink: MailSink) -> None:
    async with a_notifier(database_url, sink.smtp_url, notifier_give_up_seconds=0.3) as notifier:
        await sink.fault(kind="reject", stage="rcpt", code=550, recipientContains=notifier.recipient)
        await notifier.define()
        await notifier.give(failed())
        async with notifier.sending():

            async def given_up() -> bool:
                return [mail["next_attempt_at"] for mail in await notifier.mails()] == [None]

            await eventually(given_up, within=10)
        [row] = await notifier.mails()
        assert row["state"] == "failed"
        assert row["reason"] == "given up: the mail server answered 550 to the Notification Email"


async def test_a_hostile_name_of_a_job_reaches_nobody_else(notifier: Notifier, sink: MailSink) -> None:
    await notifier.define(name="=?utf-8?q?Hi=0ABcc:_victim@example.com?=")
    await notifier.give(failed())
    async with notifier.sending():
        await notifier.settled("sent")
    [mail] = await inbox(sink, notifier)
    assert mail["to"] == [notifier.recipient]
    assert "Bcc" not in mail["headers"]


async def test_a_hostile_notification_email_is_refused_before_it_reaches_the_server(
    notifier: Notifier, sink: MailSink
) -> None:
    await notifier.define(email="=?utf-8?q?a=0ABcc?=@example.com")
    await notifier.give(failed())
    async with notifier.sending():
        await notifier.settled("failed")
        await notifier.define(version=2)
        await notifier.settled("sent")


async def test_two_processes_send_each_mail_once(database_url: str, sink: MailSink) -> None:
    async with a_notifier(database_url, sink.smtp_url) as one, a_notifier(database_url, sink.smtp_url) as two:
        await one.define()
        async with one.sending(), two.sending():
            for number in range(4):
                await one.give(failed(f"u{number}"))
                await one.settled(*["sent"] * (number + 1))
        assert len(await inbox(sink, one)) == 4


CRASHING = textwrap.dedent("""
    import asyncio, sys
    from services.notifier.app import build_post
    from services.notifier.settings import NotifierSettings
    from shared.runtime import crashpoints
    from tests.support.frames import opened_frame
    async def main():
        settings = NotifierSettings()
        crashpoints.arm(settings.crash_point)
        async with opened_frame("notifier", settings) as frame:
            await build_post(settings).run(frame)
    asyncio.run(main())
""")


@pytest.mark.parametrize(("point", "delivered"), [("notifier.before_send", 0), ("notifier.after_send", 1)])
async def test_i6_a_crash_around_the_sending_never_repeats_the_mail(
    notifier: Notifier, sink: MailSink, database_url: str, point: str, delivered: int
) -> None:
    await notifier.define()
    await notifier.give(failed())
    environment = {f"SEATKEEPER_{name.upper()}": str(value) for name, value in QUICK.items()} | {
        "SEATKEEPER_DATABASE_URL": database_url,
        "SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS": "unused:1",
        "SEATKEEPER_SMTP_URL": sink.smtp_url,
        "SEATKEEPER_CRASH_POINT": point,
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", CRASHING, env=environment)
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL
    await notifier.settled("sending")
    async with notifier.frame.connection() as connection:
        await connection.execute("UPDATE lease SET expires_at = '-infinity'")
    async with notifier.sending():
        await notifier.settled("uncertain")
        await notifier.give(failed("other"))
        await notifier.settled("uncertain", "sent")
    assert len(await inbox(sink, notifier)) == delivered + 1


def test_a_mail_server_url_that_cannot_be_used_refuses_the_start(database_url: str) -> None:
    settings = settings_for(database_url, kind=NotifierSettings, smtp_url="mail.example")
    with pytest.raises(StartRefusedError, match="SEATKEEPER_SMTP_URL is not a mail server's URL"):
        build(settings)


async def test_nothing_that_is_stored_or_logged_names_the_recipient(
    notifier: Notifier, sink: MailSink, caplog: pytest.LogCaptureFixture
) -> None:
    await notifier.define()
    await notifier.give(failed())
    await sink.fault(kind="reject", stage="rcpt", code=550, times=1)
    async with notifier.sending():
        await notifier.settled("sent")
    assert notifier.recipient not in caplog.text
    assert all(notifier.recipient not in str(row) for row in await notifier.mails())
