"""Jobs, people, licenses and tokens by the command line, against the running system, for people and with --json for machines."""

import asyncio
import copy
from typing import Any

import orjson
import pytest

from tests.support.commands import Command, Ran, seatkeeper
from tests.support.eventually import eventually
from tests.support.systems import SEATS, LiveSystem, definition_for
from tests.support.traffic import come_to_rest, provisioned

pytestmark = pytest.mark.timeout(180)
DELETED = "deleted"

BAD: list[tuple[str, Any, str]] = [
    ("displayNam", "canary", "displayNam"),
    ("settings.intervall", "PT1M", "settings.intervall"),
    ("settings.interval", "PT0S", "settings.interval"),
    ("settings.interval", "canary", "settings.interval"),
    ("target.tenantUrl", "http://canary.example/scim", "target.tenantUrl"),
    ("licenses.capacity", -1, "licenses.capacity"),
    ("template", "canary", "template"),
    ("source.tenantId", DELETED, "source.tenantId"),
]


async def definition(live: LiveSystem) -> dict[str, Any]:
    return definition_for(live.stage, await live.simulated.graph("GET", "/config"), name="Another job")


def changed(original: dict[str, Any], path: str, value: Any) -> bytes:
    document = copy.deepcopy(original)
    *parents, last = path.split(".")
    inner = document
    for name in parents:
        inner = inner[name]
    if value is DELETED:
        del inner[last]
    else:
        inner[last] = value
    return orjson.dumps(document)


async def test_a_bad_definition_is_told_in_one_sentence_that_names_the_field(
    live: LiveSystem, command: Command
) -> None:
    original = await definition(live)
    jobs = (await live.stage.console.get("/jobs"))["value"]
    for path, value, field in BAD:
        ran = await command("jobs", "create", "-", stdin=changed(original, path, value))
        assert (ran.code, ran.out) == (1, ""), path
        assert f"{field}: " in ran.sentence
    ran = await command("jobs", "create", "-", stdin=b"{canary")
    assert ran.code == 1
    assert "is not JSON" in ran.sentence
    assert [job["id"] for job in (await live.stage.console.get("/jobs"))["value"]] == [job["id"] for job in jobs]


async def test_a_wrong_token_and_a_console_that_is_away_are_told_in_one_sentence(command: Command) -> None:
    wrong = await command("jobs", "list", env={"SEATKEEPER_TOKEN": "canary"})
    assert wrong.code == 1
    assert "token" in wrong.sentence.casefold()
    away = await command("jobs", "list", env={"SEATKEEPER_URL": "http://127.0.0.1:1"})
    assert away.code == 1
    assert "seatkeeper up" in away.sentence


async def test_jobs_are_listed_and_shown(live: LiveSystem, command: Command) -> None:
    listed, shown, table, page = await asyncio.gather(
        command("jobs", "list", "--json"),
        command("jobs", "show", "--job", live.job_id, "--json"),
        command("jobs", "list"),
        command("jobs", "show", "--job", "Sales Navigator"),
    )
    assert live.job_id in [job["id"] for job in listed.json]
    assert shown.json["settings"]["interval"] == "PT1S"
    assert {"ID", "NAME", "STATUS", "TARGET"} <= set(table.out.split())
    assert live.job_id in table.out
    assert "Sales Navigator" in table.out
    assert "saved, fingerprint" in page.out
    assert "identity-team@contoso.example" in page.out
    assert {ran.code for ran in (listed, shown, table, page)} == {0}


async def test_a_job_that_does_not_exist_is_told_with_those_that_do(live: LiveSystem, command: Command) -> None:
    ran = await command("status", "--job", "nobody-knows-it")
    assert ran.code == 1
    assert live.job_id in ran.sentence


async def test_a_job_is_changed_by_what_a_file_names_and_deleted_when_that_is_confirmed(
    live: LiveSystem, command: Command
) -> None:
    definition = definition_for(live.stage, await live.simulated.graph("GET", "/config"), name="Another")
    made = (await command("jobs", "create", "-", "--json", stdin=orjson.dumps(definition))).json["id"]

    async def update(patch: Any) -> Ran:
        return await command("jobs", "update", "-", "--job", "Another", "--reason", "slower", stdin=orjson.dumps(patch))

    assert (await update({"settings": {"interval": "PT7S"}})).code == 0
    shown = (await command("jobs", "show", "--job", made, "--json")).json
    assert (shown["settings"]["interval"], shown["settings"]["removalConfirmation"]) == ("PT7S", "PT1S")
    refused = await update({"settings": {"interval": "seldom"}})
    assert (refused.code, "settings.interval" in refused.sentence) == (1, True)
    kept = await command("jobs", "delete", "--job", made, stdin=b"n\n")
    assert (kept.code, made in (await command("jobs", "list")).out) == (1, True)
    deleted = await command("jobs", "delete", "--job", made, "--yes")
    assert (deleted.code, made in (await command("jobs", "list")).out) == (0, False)


async def test_a_job_is_paused_started_and_restarted(live: LiveSystem, command: Command) -> None:
    async def state() -> str:
        return str((await command("status", "--job", live.job_id, "--json")).json["state"])

    assert await state() == "Active"
    paused = await command("pause", "--job", live.job_id)
    assert (paused.code, paused.out) == (0, "Provisioning is Off; a running cycle ends first.\n")
    assert await state() == "Paused"
    restarted = await command("restart", "--job", live.job_id, "--json")
    assert restarted.json == {"id": live.job_id, "ok": True}
    scoped = await command("restart", live.job_id, "--reset-scope", "QuarantineState")
    assert scoped.out == "Restart asked for; what it forgets is forgotten within seconds.\n"
    wrong = await command("restart", live.job_id, "--reset-scope", "Everything")
    assert (wrong.code, "Everything is no reset scope" in wrong.sentence) == (1, True)
    started = await command("start", "--job", live.job_id)
    assert (started.code, started.out) == (0, "Provisioning is On.\n")
    assert await state() == "Active"
    await come_to_rest(live)


async def test_status_shows_the_cycle_and_the_counts(live: LiveSystem, command: Command) -> None:
    await come_to_rest(live)
    view = await command("status", "--job", live.job_id, "--once")
    counts = (await command("status", "--job", live.job_id, "--json")).json["counts"]
    assert view.code == 0
    assert "Sales Navigator" in view.out
    assert f"provisioned  {counts['provisioned']:>7}" in view.out
    assert counts["provisioned"] == len(await provisioned(live))


async def test_one_person_is_shown_by_id_and_by_name(live: LiveSystem, command: Command) -> None:
    person = (await provisioned(live))[0]
    name = (await live.truth())[person]["properties"]["userPrincipalName"]
    page, document = await asyncio.gather(
        command("user", person, "--job", live.job_id), command("user", name, "--job", live.job_id, "--json")
    )
    assert page.out.startswith(f"{person}: provisioned.")
    assert "scim-writer" in page.out
    assert document.json["id"] == person
    assert document.json["timeline"]
    unknown = await command("user", "nobody@contoso.example", "--job", live.job_id)
    assert unknown.code == 1
    assert "user" in unknown.sentence.casefold()


async def test_licenses_are_counted_and_the_line_is_in_order(live: LiveSystem, command: Command) -> None:
    await come_to_rest(live)
    page, document = await asyncio.gather(
        command("licenses", "--job", live.job_id), command("licenses", "--job", live.job_id, "--json")
    )
    value = document.json
    assert value["granted"] == min(SEATS, len(await provisioned(live)))
    assert [entry["ticket"] for entry in value["waitingLine"]] == sorted(
        entry["ticket"] for entry in value["waitingLine"]
    )
    assert f"{value['granted']} granted" in page.out
    assert f"{value['waiting']} waiting" in page.out


async def test_the_provisioning_log_is_filtered(live: LiveSystem, command: Command) -> None:
    person = (await provisioned(live))[0]
    table, document, none = await asyncio.gather(
        command("logs", "--job", live.job_id, "--top", "500"),
        command("logs", "--job", live.job_id, "--user", person, "--status", "success", "--action", "create", "--json"),
        command("logs", "--job", live.job_id, "--action", "delete"),
    )
    assert {ran.code for ran in (table, document, none)} == {0}
    assert [record["sourceIdentity"]["id"] for record in document.json] == [person]
    assert person in table.out
    assert none.out.strip() == "Nothing has been provisioned yet."


async def test_i9_credentials_are_saved_and_tested_and_never_printed(live: LiveSystem, command: Command) -> None:
    token, client_secret, *_ = live.stage.notes.secrets
    made = (await command("jobs", "create", "-", "--json", stdin=orjson.dumps(await definition(live)))).json
    try:
        wrong = {"SEATKEEPER_SECRET_TOKEN": "canary-token", "SEATKEEPER_CLIENT_SECRET": "canary-secret"}
        missing = await command("start", "--job", made["id"])
        assert missing.code == 1
        assert "secretToken" in missing.sentence
        assert (await command("secrets", "--job", made["id"], env=wrong)).out == "Saved.\n"
        refused = await command("test-connection", "--job", made["id"])
        assert refused.code == 1
        assert refused.out.count("FAILED") == 2
        right = {"SEATKEEPER_SECRET_TOKEN": token, "SEATKEEPER_CLIENT_SECRET": client_secret}
        assert (await command("secrets", "--job", made["id"], env=right)).code == 0
        tested = await command("test-connection", "--job", made["id"], "--json")
        assert (tested.code, tested.json["ok"]) == (0, True)
        several = await command("jobs", "show")
        assert several.code == 1
        assert "--job" in several.sentence
    finally:
        await live.stage.console.request("DELETE", f"/jobs/{made['id']}")
    await eventually(lambda: only_job(live), within=10)


async def only_job(live: LiveSystem) -> bool:
    return [job["id"] for job in (await live.stage.console.get("/jobs"))["value"]] == [live.job_id]


async def test_a_token_is_shown_once_and_holds_its_role(live: LiveSystem, command: Command) -> None:
    made = await seatkeeper(
        "token", "create", "--name", "a dashboard", "--json", env=live.stage.system.servers.environment()
    )
    assert made.json["role"] == "viewer"
    viewer = {"SEATKEEPER_TOKEN": made.json["token"]}
    assert (await command("jobs", "list", env=viewer)).code == 0
    refused = await command("pause", "--job", live.job_id, env=viewer)
    assert refused.code == 1
    assert "operator" in refused.sentence
    assert made.json["token"] not in refused.err


async def test_i9_no_log_of_any_process_holds_a_secret(live: LiveSystem) -> None:
    logs = {file.name: file.read_bytes() for file in (live.folder / "logs").iterdir() if file.is_file()}
    assert {"console.log", "scim-writer.log", "assignment-watcher.log", "kafka.log", "postgres.log"} <= logs.keys()
    for secret in (*live.stage.notes.secrets, "canary-token", "canary-secret"):
        assert [name for name, text in logs.items() if secret.encode() in text] == []
