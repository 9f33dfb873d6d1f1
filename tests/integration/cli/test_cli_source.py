"""The source and its holds by the command line, against a console that has heard of them: for people, for machines, live on a terminal."""

import asyncio
import contextlib
import fcntl
import os
import struct
import sys
import termios
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.contracts.control import OperatorRequest
from shared.contracts.source import HoldState
from tests.support.builders_console import Console, deliver, received, running_console
from tests.support.builders_source import HOLD, hold_fact, pem_certificate, pem_key, progress, source_state
from tests.support.commands import Ran, seatkeeper
from tests.support.eventually import eventually
from tests.support.repository import ROOT

pytestmark = pytest.mark.timeout(120)
CREDENTIAL = {"tenantId": "t", "clientId": "c", "servicePrincipalId": "s"}


@pytest.fixture
async def console(database_url: str) -> AsyncIterator[Console]:
    """A console without the rest of the system: its messages are given to it."""
    async with running_console(database_url) as running:
        yield running


async def run(console: Console, *arguments: str, role: str = "operator", **env: str) -> Ran:
    """Run a command as an operator with that role."""
    return await seatkeeper(
        *arguments, env={"SEATKEEPER_URL": console.url, "SEATKEEPER_TOKEN": console.tokens[role]} | env
    )


async def requests(console: Console) -> list[OperatorRequest]:
    rows = await console.rows("SELECT payload FROM outbox WHERE topic = $1 ORDER BY id", OperatorRequest.topic)
    return [OperatorRequest.model_validate_json(row["payload"]) for row in rows]


async def test_the_source_is_shown_for_people_and_for_machines(console: Console) -> None:
    job = await console.new_job()
    empty = await run(console, "source", "show")
    assert (empty.code, "was not read yet" in empty.out) == (0, True)
    said = source_state(
        job=job, progress=progress(1250, 5000, 90), at=datetime.now(UTC), reason="[red]a reason[/red] \x1b[31m"
    )
    await deliver(console.frame, [received(said)])
    table = await run(console, "source", "show", job[:8])
    document = await run(console, "source", "show", "Sales Navigator", "--json")
    assert (table.code, document.code) == (0, 0)
    for words in (
        "1,250 of about 5,000 users read, 25 %",
        "GEN.",
        "the link was refused (410)",
        "service principals",
        "seatkeeper holds list",
    ):
        assert words in table.out
    assert "[red]a reason[/red]" in table.out, "what another service says is text"
    assert "\x1b[31m" not in table.out
    assert document.json["progress"]["percent"] == 25


async def test_a_job_that_does_not_exist_is_told_with_those_that_do(console: Console) -> None:
    job = await console.new_job()
    for command in (("source", "show"), ("holds", "list"), ("holds", "reject")):
        ran = await run(console, *command, "nobody-knows-it")
        assert (ran.code, job in ran.sentence) == (1, True)


async def test_holds_are_listed_approved_and_rejected(console: Console) -> None:
    job = await console.new_job()
    nothing, missing = await asyncio.gather(
        run(console, "holds", "list"), run(console, "holds", "approve", "--reason", "x")
    )
    assert nothing.out == "No removals are held.\n"
    assert (missing.code, "No removals are held" in missing.sentence) == (1, True)
    await deliver(
        console.frame, [received(hold_fact(job=job)), received(hold_fact(job=job, hold="another-hold", removals=7))]
    )
    listed = await run(console, "holds", "list", "--json")
    assert {hold["id"] for hold in listed.json} == {HOLD, "another-hold"}
    several = await run(console, "holds", "approve", "--reason", "x")
    assert (several.code, "another-hold" in several.sentence) == (1, True)
    unknown = await run(console, "holds", "reject", job, "nothing-like-it")
    assert (unknown.code, "no such hold" in unknown.sentence) == (1, True)
    approved = await run(console, "holds", "approve", job, "another", "--reason", "they have left")
    assert approved.out == "Approval asked for: 7 users and groups are removed within seconds while the job runs.\n"
    rejected = await run(console, "holds", "reject", job, HOLD[:6], "--json")
    assert (rejected.code, rejected.json["requested"]["decision"]) == (0, "reject")
    assert [(request.kind, request.hold_id, request.reason) for request in await requests(console)] == [
        ("approveHold", "another-hold", "they have left"),
        ("rejectHold", HOLD, ""),
    ]
    table = await run(console, "holds", "list")
    assert "approve asked for by a operator" in table.out
    assert "60 of 100" in table.out


async def test_the_exit_status_says_whether_it_went_through(console: Console) -> None:
    job = await console.new_job()
    await deliver(console.frame, [received(hold_fact(job=job))])
    assert (await run(console, "holds", "approve")).code == 2, "an approval without a reason is a wrong use"
    viewer = await run(console, "holds", "approve", "--reason", "x", role="viewer")
    assert (viewer.code, "operator" in viewer.sentence) == (1, True)
    await deliver(console.frame, [received(hold_fact(2, HoldState.DROPPED, job=job))])
    late = await run(console, "holds", "approve", job, HOLD, "--reason", "x")
    assert (late.code, "nobody is left in it" in late.sentence) == (1, True)
    assert await requests(console) == []


async def test_on_a_terminal_the_bar_lives_until_the_initial_cycle_is_done(console: Console) -> None:
    job = await console.new_job()
    now = datetime.now(UTC)
    await deliver(console.frame, [received(source_state(job=job, at=now, progress=progress(100, 1000)))])
    terminal, screen = os.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    os.set_blocking(terminal, False)
    env = {
        "PATH": os.environ["PATH"],
        "TERM": "xterm",
        "SEATKEEPER_URL": console.url,
        "SEATKEEPER_TOKEN": console.tokens["viewer"],
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli.main",
        "source",
        "show",
        stdin=screen,
        stdout=screen,
        stderr=screen,
        env=env,
        cwd=ROOT,
    )
    os.close(screen)
    shown = b""

    def has(text: bytes) -> bool:
        nonlocal shown
        with contextlib.suppress(OSError):  # nothing to read yet, or nobody writes any more
            shown += os.read(terminal, 65_536)
        return text in shown

    try:
        await eventually(lambda: has(b"100 of about 1,000 users read, 10 %"), within=20)
        await deliver(console.frame, [received(source_state(2, job=job, at=now, progress=progress(700, 1000)))])
        await eventually(lambda: has(b"700 of about 1,000 users read, 70 %"), within=20)
        assert process.returncode is None
        await deliver(console.frame, [received(source_state(3, job=job, at=now))])
        await eventually(lambda: has(b"") and process.returncode is not None, within=20)
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(terminal)


async def test_credentials_are_asked_for_by_the_kind_of_source(console: Console, tmp_path: Path) -> None:
    job = await console.new_job(source=CREDENTIAL | {"credential": "clientCertificate"})
    file = tmp_path / "certificate.pem"
    file.write_text(pem_certificate() + pem_key())
    saved = await run(
        console, "secrets", "--secret-token", "not-a-real-token", "--client-certificate", str(file), role="admin"
    )
    assert (saved.code, "Certificate with thumbprint" in saved.out) == (0, True)
    shown = await run(console, "jobs", "show")
    thumbprint = saved.out.split("thumbprint ")[1].split(",")[0]
    assert f"thumbprint {thumbprint}, expires" in shown.out
    assert "microsoft-graph, clientCertificate" in shown.out
    file.write_text("canary")
    refused = await run(console, "secrets", "--client-certificate", str(file), role="admin")
    assert (refused.code, "clientCertificate: " in refused.sentence, "canary" in refused.err) == (1, True, False)
    file.write_bytes(b"\xff\xfe\x00")
    binary = await run(console, "secrets", "--client-certificate", str(file), role="admin")
    assert (binary.code, "is not text" in binary.sentence) == (1, True)
    dated = await run(
        console, "secrets", "--client-secret", "x", "--client-secret-expires-at", "2031-01-02T00:00:00Z", role="admin"
    )
    assert dated.code == 0
    secrets = (await console.call("GET", f"/api/v1/jobs/{job}")).json["secrets"]
    assert secrets["clientSecret"]["expiresAt"].startswith("2031-01-02")


async def test_what_is_asked_at_the_terminal_follows_from_the_source(console: Console) -> None:
    async def asked(source: dict[str, Any], typed: str) -> set[str]:
        job = await console.new_job(source=source)
        ran = await seatkeeper(
            "secrets",
            "--job",
            job,
            env={"SEATKEEPER_URL": console.url, "SEATKEEPER_TOKEN": console.tokens["admin"]},
            stdin=typed.encode(),
        )
        assert (ran.code, "Saved." in ran.out) == (0, True), ran.err
        kept: dict[str, Any] = (await console.call("GET", f"/api/v1/jobs/{job}")).json["secrets"]
        return {name for name, secret in kept.items() if secret["set"]}

    assert await asked({"kind": "snapshot", "path": "x"}, "one\n") == {"secretToken"}
    assert await asked(CREDENTIAL, "one\ntwo\n") == {"secretToken", "clientSecret"}
    assert await asked(CREDENTIAL | {"credential": "workloadIdentity"}, "one\n") == {"secretToken"}


async def test_both_kinds_of_source_are_created_and_a_wrong_one_names_the_field(console: Console) -> None:
    definition = {
        "displayName": "From a file",
        "template": "linkedin-sales-navigator",
        "target": {"tenantUrl": "https://api.linkedin.example/scim"},
    }

    async def create(source: Any) -> Ran:
        env = {"SEATKEEPER_URL": console.url, "SEATKEEPER_TOKEN": console.tokens["admin"]}
        return await seatkeeper("jobs", "create", "-", env=env, stdin=orjson.dumps(definition | {"source": source}))

    for source in ({"kind": "snapshot", "path": "people.csv"}, CREDENTIAL, CREDENTIAL | {"kind": "microsoft-graph"}):
        assert (await create(source)).code == 0
    for source, field in (
        ({"kind": "ldap"}, "source.kind: "),
        ({"kind": "snapshot"}, "source.path: "),
        ({"tenantId": "t"}, "source.clientId: "),
    ):
        refused = await create(source)
        assert (refused.code, field in refused.sentence) == (1, True)


async def test_what_cannot_be_tested_from_the_console_is_said_so_and_is_no_failure(database_url: str) -> None:
    async with running_console(database_url, allow_insecure_loopback=True) as console:
        await console.new_job(source={"kind": "snapshot", "path": "x"}, target={"tenantUrl": "http://127.0.0.1:1/scim"})
        ran = await run(console, "test-connection")
        assert "source: not tested. A snapshot has no credentials" in ran.out
        assert (ran.code, "target: FAILED" in ran.out) == (1, True)
