"""The mail itself: what it says, and what cannot be smuggled into it."""

import sys
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.core import Cause, Digest, Kind
from services.notifier.letter import Letter, UnsafeMailError, header_text, recipient_address, seal, write
from services.notifier.mail import SmtpUrlError, parse_smtp_url
from tests.support.messages import NOON

# CVE-2024-6923: an encoded word whose decoded text holds a line feed and a header (Python < 3.11.10 folds it as it is).
SMUGGLED = "=?utf-8?q?Hi=0ABcc:_victim@example.com?="
HEADERS = ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"]


def digest(
    *,
    kind: Kind = Kind.USERS,
    count: int = 37,
    subjects: tuple[str, ...] = ("id-1", "id-2"),
    code: str = "Conflict",
    message: str = "refused",
) -> Digest:
    cause = Cause(
        code=code,
        count=count,
        recovered=1,
        subjects=subjects,
        message=message,
        advice="Clear it there.",
        http_statuses=(409,),
    )
    return Digest(kind=kind, total=count, causes=(cause,), since=NOON, until=NOON)


def sealed(name: str = "Sales Navigator", recipient: str = "team@example.com", content: Digest | None = None) -> bytes:
    letter = write(content or digest(), job_id="job-1", job_name=name, console_url="https://console.example/")
    return seal(
        letter,
        sender="seatkeeper@example.com",
        recipient=recipient_address(recipient),
        message_id=f"<{UUID(int=7)}@example.com>",
        at=NOON,
    )


def read(raw: bytes) -> EmailMessage:
    return BytesParser(policy=policy.default).parsebytes(raw)


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_a_mail_says_what_happened_to_whom_and_what_to_do() -> None:
    message = read(sealed())
    assert message["Subject"] == "Seatkeeper, Sales Navigator: 37 users could not be provisioned"
    assert message["To"] == "team@example.com"
    assert message["Message-ID"] == "<00000000-0000-0000-0000-000000000007@example.com>"
    for kind in ("plain", "html"):
        text = part(message, kind)
        for expected in ("37", "Conflict", "409", "refused", "Clear it there.", "id-1", "id-2", "the first 2 of 37"):
            assert expected in text
        link = "https://console.example/jobs/job-1?status=failed"
        assert link.replace("&", "&amp;" if kind == "html" else "&") in text


def test_a_mail_about_the_job_names_the_condition() -> None:
    message = read(sealed(content=digest(kind=Kind.JOB, count=1, subjects=("credentialsRefused",))))
    assert "needs attention" in message["Subject"]
    assert "credentialsRefused" in part(message, "plain")


@pytest.mark.parametrize(
    "name",
    [
        SMUGGLED,
        f"a{SMUGGLED}b",
        "x\r\nBcc: victim@example.com",
        "x\u2028Bcc: v@example.com",
        "=\x00?utf-8?q?a=0AB:_c?=",
    ],
)
def test_a_hostile_name_of_a_job_adds_no_header(name: str) -> None:
    raw = sealed(name)
    assert sorted(read(raw).keys()) == HEADERS
    assert "=?" not in header_text(name)
    assert b"\nBcc" not in raw.partition(b"\r\n\r\n")[0]
    assert "victim" not in str(read(raw)["To"])


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=60))
def test_no_text_at_all_adds_a_header_or_a_recipient(name: str, subject: str, message: str) -> None:
    raw = sealed(name, content=digest(subjects=(subject,), message=message))
    assert sorted(read(raw).keys()) == HEADERS
    assert read(raw)["To"] == "team@example.com"


@settings(deadline=None)
@given(st.text())
def test_header_text_is_one_line_without_encoded_words(value: str) -> None:
    cleaned = header_text(value)
    assert "=?" not in cleaned
    assert len(cleaned.splitlines()) <= 1
    assert len(cleaned) <= 150


def test_a_header_that_slips_through_all_the_same_stops_the_mail() -> None:
    def smuggle() -> bytes:
        return seal(
            Letter(subject=SMUGGLED, text="x", html="x"),
            sender="seatkeeper@example.com",
            recipient=recipient_address("team@example.com"),
            message_id="<1@example.com>",
            at=NOON,
        )

    try:
        raw = smuggle()
    except UnsafeMailError:
        return
    assert sys.version_info >= (3, 11, 10), "this interpreter writes the line feed as it is"
    assert sorted(read(raw).keys()) == HEADERS


@pytest.mark.parametrize(
    "value", ["a@b\r\nBcc: c@d", SMUGGLED, "=?utf-8?q?a=0A?=@example.com", "", "nobody", "ä@example.com", "a@b c"]
)
def test_a_notification_email_that_is_more_than_an_address_is_refused(value: str) -> None:
    with pytest.raises(UnsafeMailError) as refused:
        recipient_address(value)
    assert not value or value not in str(refused.value)


def test_html_is_escaped_and_text_is_not() -> None:
    message = read(sealed("<script>alert(1)</script> & co", content=digest(subjects=("<b>",))))
    assert "<script>" not in part(message, "html")
    assert "&lt;script&gt;" in part(message, "html")
    assert "<script>alert(1)</script> & co" in part(message, "plain")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", ("mail.example", 587, None, False, None)),
        ("smtp://mail.example:25?starttls=never", ("mail.example", 25, None, False, False)),
        ("smtp://me:p%40ss@mail.example", ("mail.example", 587, "me", False, True)),
        ("smtp://me:x@mail.example?starttls=auto", ("mail.example", 587, "me", False, None)),
        ("smtp://me:x@127.0.0.1:1025", ("127.0.0.1", 1025, "me", False, None)),
        ("smtps://me:x@mail.example", ("mail.example", 465, "me", True, False)),
    ],
)
def test_the_url_of_the_mail_server(url: str, expected: tuple[object, ...]) -> None:
    server = parse_smtp_url(url)
    assert (server.host, server.port, server.username, server.use_tls, server.start_tls) == expected
    assert "p@ss" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "http://x",
        "smtp:///secret",
        "smtp://x:y",
        "smtp://x?tls=1",
        "smtp://x?starttls=maybe",
        "smtp://x/path",
    ],
)
def test_a_url_that_is_not_usable_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(SmtpUrlError) as refused:
        parse_smtp_url(url)
    assert url not in str(refused.value)


@pytest.mark.parametrize(("count", "expected"), [(1, "1 group"), (2, "2 groups")])
def test_a_mail_about_groups_speaks_of_groups(count: int, expected: str) -> None:
    message = read(sealed(content=digest(kind=Kind.GROUPS, count=count)))
    assert message["Subject"] == f"Seatkeeper, Sales Navigator: {expected} could not be provisioned"
    for kind in ("plain", "html"):
        text = part(message, kind)
        assert expected in text
        assert "Directory ids" in text
        assert "user" not in text.lower()
        assert "status=failed" not in text, "that page lists users"
