"""The pages about a source and its holds: what they show, what the forms do and whom they refuse; hostile text stays text."""

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest

from shared.contracts.control import OperatorRequest
from shared.contracts.source import HoldState
from tests.support.builders_console import Console, deliver, received, running_console
from tests.support.builders_source import HOLD, hold_fact, progress, source_state
from tests.support.pages import HOSTILE, page, post, sign_in


@pytest.fixture
async def console(database_url: str) -> AsyncIterator[Console]:
    """A console on loopback, where http was allowed on purpose."""
    async with running_console(database_url, allow_insecure_loopback=True) as running:
        yield running


async def requests(console: Console) -> list[OperatorRequest]:
    rows = await console.rows("SELECT payload FROM outbox WHERE topic = $1 ORDER BY id", OperatorRequest.topic)
    return [OperatorRequest.model_validate_json(row["payload"]) for row in rows]


async def test_a_source_that_was_not_read_says_so_and_no_hold_shows_nothing(console: Console) -> None:
    job = await console.new_job()
    text = (await page(console, f"/jobs/{job}", await sign_in(console))).text
    assert "The source was not read yet" in text
    assert "Held removals" not in text


async def test_the_source_is_shown_with_the_bar_of_the_initial_cycle(console: Console) -> None:
    job = await console.new_job()
    await deliver(console.frame, [received(source_state(job=job, progress=progress(1250, 5000, 90)))])
    cookie = await sign_in(console)
    text = " ".join((await page(console, f"/jobs/{job}", cookie)).text.split())
    assert "1,250 of about 5,000 users read, 25 %" in text
    assert '<progress id="progress" max="100" value="25"></progress>' in text
    for words in (
        "resyncing",
        "the link was refused (410)",
        "5 held removals",
        "2 suspects",
        "1 unknown references",
        "2 throttled",
    ):
        assert words in text
    assert "3 assigned service principals" in text
    await deliver(console.frame, [received(source_state(2, job=job, progress=progress(5)))])
    text = (await page(console, f"/jobs/{job}", cookie)).text
    assert '<progress id="progress" max="100"></progress>' in text, "without an estimate the bar has no value"
    await deliver(console.frame, [received(source_state(3, job=job, reason="the folder is empty"))])
    text = (await page(console, f"/jobs/{job}", cookie)).text
    assert "<progress" not in text
    assert "the folder is empty" in text


async def test_holds_stand_in_the_attention_list_and_lead_to_the_job(console: Console) -> None:
    job = await console.new_job()
    await deliver(
        console.frame, [received(hold_fact(job=job)), received(hold_fact(2, HoldState.DROPPED, job=job, hold="h-2"))]
    )
    text = (await page(console, "/", await sign_in(console))).text
    assert "The removal of 60 users and groups of 100 is held: more removals than one cycle may bring" in text
    assert text.count("is held:") == 1
    assert f'href="/jobs/{job}#holds"' in text


def forms(text: str) -> dict[str, str]:
    """The action of each form that decides, with its idempotency key."""
    found = re.findall(r'action="(/jobs/[^"]+/holds/[^"]+)">\s*<input type="hidden" name="key" value="([^"]+)">', text)
    return {unescape(action): key for action, key in found}


@pytest.mark.parametrize("decision", ["approve", "reject"])
async def test_a_form_decides_once_however_often_it_is_sent(console: Console, decision: str) -> None:
    job = await console.new_job()
    await deliver(console.frame, [received(hold_fact(job=job))])
    cookie = await sign_in(console, "operator")
    found = forms((await page(console, f"/jobs/{job}", cookie)).text)
    assert len(found) == 2
    action = f"/jobs/{job}/holds/{HOLD}/{decision}"
    form = {"key": found[action], "reason": "the team was dissolved, ž"}
    for _ in range(2):
        reply = await post(console, action, form, Cookie=cookie)
        assert (reply.status, reply.headers["Location"]) == (303, f"/jobs/{job}#holds")
    (request,) = await requests(console)
    assert (request.kind, request.reason, request.requested_by) == (f"{decision}Hold", form["reason"], "a operator")
    text = (await page(console, f"/jobs/{job}", cookie)).text
    assert f"a operator asked to {decision} it" in text
    assert forms(text) == {}
    await deliver(console.frame, [received(hold_fact(2, HoldState.APPROVED, job=job))])
    text = (await page(console, f"/jobs/{job}", cookie)).text
    assert "by a person: all is well" in text
    late = await post(console, action, {"key": "another", "reason": "x"}, Cookie=cookie)
    assert (late.status, "It was approved by a person" in late.text) == (409, True)


async def test_a_form_without_a_reason_from_another_site_or_of_a_viewer_does_nothing(console: Console) -> None:
    job = await console.new_job()
    await deliver(console.frame, [received(hold_fact(job=job))])
    action, form = f"/jobs/{job}/holds/{HOLD}/approve", {"reason": "x", "key": "k"}
    viewer, operator = await sign_in(console), await sign_in(console, "operator")
    text = (await page(console, f"/jobs/{job}", viewer)).text
    assert forms(text) == {}
    assert "needs the role operator" in text
    assert (await post(console, action, form, Cookie=viewer)).status == 403
    assert (await post(console, action, form)).headers["Location"] == "/sign-in"
    for site in ("cross-site", "same-site"):
        assert (await post(console, action, form, **{"Cookie": operator, "Sec-Fetch-Site": site})).status == 403
    for reason in ("", "   ", "x" * 501, "a\x00b"):
        reply = await post(console, action, {"reason": reason}, Cookie=operator)
        assert (reply.status, "reason" in reply.text) == (422, True)
    assert (await post(console, action, {f"f{number}": "x" for number in range(20)}, Cookie=operator)).status == 422
    assert (await post(console, f"/jobs/{job}/holds/{HOLD}/canary", form, Cookie=operator)).status == 422
    assert (await post(console, f"/jobs/{job}/holds/unknown/approve", form, Cookie=operator)).status == 404
    assert await requests(console) == []
    odd = await post(console, action, {"reason": "x", "key": "a\x00b\n"}, Cookie=operator)
    assert odd.status == 303, "a key that is none of ours is as good as none"


async def test_hostile_text_stays_text(console: Console) -> None:
    job = await console.new_job()
    streams = tuple(
        stream.model_copy(update={"stream": HOSTILE, "resync_reason": HOSTILE}) for stream in source_state().streams
    )
    said = [
        source_state(job=job, streams=streams, reason=HOSTILE, ignored={HOSTILE: 1}),
        hold_fact(job=job, detail=HOSTILE),
        hold_fact(
            2,
            HoldState.REJECTED,
            job=job,
            hold='"><script>',
            detail=HOSTILE,
            decided_by=HOSTILE,
            decision_reason=HOSTILE,
        ),
    ]
    await deliver(console.frame, [*map(received, said)])
    cookie = await sign_in(console, "operator")
    await post(console, f"/jobs/{job}/holds/{HOLD}/approve", {"reason": HOSTILE}, Cookie=cookie)
    for path in ("/", f"/jobs/{job}"):
        reply = await page(console, path, cookie)
        assert reply.status == 200
        assert "<script" not in reply.text
        assert "<img" not in reply.text
        assert "37873565" not in reply.text
        assert "style=" not in reply.text
    assert reply.text.count("&lt;script&gt;") >= 7
