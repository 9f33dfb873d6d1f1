"""The pages: sign-in, overview, job, user; empty and error states; hostile names stay text."""

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest

from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import LicenseState, Result
from tests.support.builders_console import (
    DEFINITION,
    Console,
    assignment,
    change,
    deliver,
    license_fact,
    outcome,
    received,
    running_console,
)
from tests.support.pages import HOSTILE, page, post, sign_in


@pytest.fixture
async def console(database_url: str) -> AsyncIterator[Console]:
    """A console on loopback, where http was allowed on purpose."""
    async with running_console(database_url, allow_insecure_loopback=True) as running:
        yield running


async def test_nobody_sees_a_page_without_signing_in(console: Console) -> None:
    for path in ("/", "/jobs/x", "/jobs/x/users/y"):
        for cookie in ("", "seatkeeper_session=", "seatkeeper_session=wrong", "seatkeeper_session=" + "x" * 500):
            reply = await page(console, path, cookie)
            assert (reply.status, reply.headers["Location"]) == (303, "/sign-in"), path
    assert "Access token" in (await console.call("GET", "/sign-in", role=None)).text
    bearer = await console.call("GET", "/", role="admin")
    assert bearer.status == 303, "a bearer token is for the API; pages take the session only"


async def test_a_wrong_token_does_not_sign_in(console: Console) -> None:
    reply = await post(console, "/sign-in", {"token": "canary-not-a-real-token"})
    assert reply.status == 401
    assert "not known" in reply.text
    assert "canary" not in reply.text
    assert "Set-Cookie" not in reply.headers
    other_site = await post(
        console, "/sign-in", {"token": console.tokens["viewer"]}, **{"Sec-Fetch-Site": "cross-site"}
    )
    assert (other_site.status, "Set-Cookie" in other_site.headers) == (403, False)


async def test_signing_out_ends_the_session_and_so_does_the_token(console: Console) -> None:
    cookie = await sign_in(console)
    assert (await page(console, "/", cookie)).status == 200
    assert "API" not in (await console.call("GET", "/api/v1/jobs", role=None, headers={"Cookie": cookie})).text
    assert (await post(console, "/sign-out", {}, Cookie=cookie)).status == 303
    assert (await page(console, "/", cookie)).status == 303
    again = await sign_in(console)
    async with console.frame.connection() as connection:
        assert cookie.partition("=")[2] not in str(await connection.fetch("SELECT s::text FROM web_session s"))
        await connection.execute("UPDATE operator_token SET revoked_at = now()")
    assert (await page(console, "/", again)).status == 303


async def test_the_cookie_does_not_open_the_api(console: Console) -> None:
    cookie = await sign_in(console, "admin")
    assert (await console.call("POST", "/api/v1/jobs", DEFINITION, role=None, headers={"Cookie": cookie})).status == 401


async def test_the_cookie_is_for_https_only_unless_loopback_http_was_allowed(database_url: str) -> None:
    async with running_console(database_url) as console:
        reply = await post(console, "/sign-in", {"token": console.tokens["viewer"]})
        assert reply.headers["Set-Cookie"].startswith("__Host-seatkeeper_session=")
        assert "; Secure" in reply.headers["Set-Cookie"]


async def test_empty_and_error_states(console: Console) -> None:
    cookie = await sign_in(console)
    assert "There is no job yet" in (await page(console, "/", cookie)).text
    job = await console.new_job()
    assert "No user is known yet" in (await page(console, f"/jobs/{job}", cookie)).text
    assert "No user is failed" in (await page(console, f"/jobs/{job}?status=failed", cookie)).text
    for path, status, words in (
        ("/jobs/unknown", 404, "No such job"),
        (f"/jobs/{job}/users/nobody", 404, "No such user"),
        (f"/jobs/{job}?status=canary", 422, "status"),
        ("/nothing", 404, "Not Found"),
    ):
        reply = await page(console, path, cookie)
        assert reply.status == status, path
        assert reply.headers["Content-Type"].startswith("text/html")
        assert words in reply.text
        assert "canary" not in reply.text
        assert "Traceback" not in reply.text


async def test_the_overview_says_what_needs_attention(console: Console) -> None:
    job = await console.new_job()
    said = [
        assignment("u-1", job=job),
        outcome("u-1", 1, Result.FAILED, code=Code.CONFLICT, job=job),
        change("u-2", job=job),
        license_fact("u-2", LicenseState.WAITING, job=job),
    ]
    await deliver(console.frame, [received(message) for message in said])
    text = (await page(console, "/", await sign_in(console))).text
    assert "Needs attention" in text
    assert "1 user failed: Conflict" in text
    assert "1 user waiting for a license" in text
    assert "secretToken and clientSecret not set" in text
    assert f'href="/jobs/{job}?status=failed"' in text


async def test_hostile_names_stay_text(console: Console) -> None:
    job = await console.new_job(displayName=HOSTILE)
    attributes = {"userPrincipalName": HOSTILE, "displayName": HOSTILE}
    user = HOSTILE.replace("/", "")
    said = [
        assignment(user, job=job, attributes=attributes),
        change(user, job=job, reason=HOSTILE),
        outcome(user, 1, Result.FAILED, code=Code.CONFLICT, job=job, reason=HOSTILE),
    ]
    await deliver(console.frame, [received(message) for message in said])
    cookie = await sign_in(console)
    listing = (await page(console, f"/jobs/{job}", cookie)).text
    (link,) = re.findall(rf'href="(/jobs/{job}/users/[^"]*)"', listing)
    for path in ("/", f"/jobs/{job}", unescape(link)):
        reply = await page(console, path, cookie)
        assert reply.status == 200, path
        assert "<script" not in reply.text
        assert "<img" not in reply.text
        assert "37873565" not in reply.text
        assert "&lt;script&gt;" in reply.text


async def test_a_page_needs_nothing_but_its_style_sheet(console: Console) -> None:
    text = (await page(console, "/", await sign_in(console))).text
    assert re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', text) == ["/static/console.css"]
    assert "<script" not in text
    assert "style=" not in text
    style = await console.call("GET", "/static/console.css", role=None)
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")


async def test_users_are_shown_page_by_page_and_one_with_the_timeline(console: Console) -> None:
    job = await console.new_job()
    people = [assignment(f"u-{number:03}", job=job) for number in range(101)]
    await deliver(console.frame, [*map(received, people), received(outcome("u-000", job=job))])
    cookie = await sign_in(console)
    first = (await page(console, f"/jobs/{job}", cookie)).text
    (more,) = re.findall(rf'href="(/jobs/{job}\?cursor=[^"]+)"', first)
    assert "Name of u-100" not in first
    assert "Name of u-100" in (await page(console, unescape(more), cookie)).text
    one = (await page(console, f"/jobs/{job}/users/u-000", cookie)).text
    assert "create done" in one
    assert "assigned directly with User" in one
    assert "provisioned" in one
