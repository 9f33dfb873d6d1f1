"""One user on demand, and links, by the command line, against the running system."""

import uuid
from typing import Any

import orjson
import pytest

from cli.demo.evidence import database
from tests.support.commands import Command
from tests.support.eventually import eventually
from tests.support.systems import LiveSystem
from tests.support.traffic import come_to_rest

pytestmark = pytest.mark.timeout(180)


async def a_user(live: LiveSystem, *, member: bool) -> str:
    """A new user in the directory, who is a member of the assigned group or not."""
    user = str(uuid.uuid4())
    name = f"demand-{user[:8]}@contoso.example"
    await live.simulated.change(
        {
            "op": "createUser",
            "userId": user,
            "properties": {
                "userPrincipalName": name,
                "mail": name,
                "displayName": "Demanded User",
                "givenName": "Demanded",
                "surname": "User",
                "accountEnabled": True,
            },
        },
        *([{"op": "addMember", "groupId": live.group, "userId": user}] if member else []),
    )
    return user


async def json_of(command: Command, *arguments: str, code: int = 0) -> Any:
    ran = await command(*arguments, "--json")
    assert ran.code == code, ran.err
    return orjson.loads(ran.out)


async def test_an_unchanged_user_is_explained_in_five_steps_and_nothing_is_written(
    live: LiveSystem, command: Command
) -> None:
    await come_to_rest(live)
    user = next(iter(await live.truth()))
    demand = await json_of(command, "provision", user, "--reason", "a look")
    assert demand["result"] == "Skipped", demand
    assert [step["type"] for step in demand["steps"]] == ["import", "scoping", "matching", "processing"]
    assert all(demand["steps"][1]["details"]["conditions"].values())
    assert demand["steps"][0]["details"]["attributes"]["mail"]
    assert demand["modifiedProperties"] == []
    shown = await live.stage.console.get(f"/jobs/{live.job_id}/users/{user}")
    assert shown["status"] == "provisioned", "a look leaves the status as it was"


async def test_a_user_who_is_not_assigned_is_told_so(live: LiveSystem, command: Command) -> None:
    user = await a_user(live, member=False)
    demand = await json_of(command, "provision", user)
    assert demand["result"] == "Skipped"
    assert demand["steps"][-1]["details"]["conditions"] == {"Assigned to the application": False}


async def test_the_steps_are_told_to_people_as_well(live: LiveSystem, command: Command) -> None:
    await come_to_rest(live)
    user = next(iter(await live.truth()))
    ran = await command("provision", user)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    for words in ("success  Import user:", "success  Determine if user is in scope:", "skipped  Perform action:"):
        assert any(line.startswith(words) for line in lines), ran.out
    assert any("Assigned to the application: yes" in line for line in lines)
    assert lines[-1].startswith("Skipped (other): The target holds what is wanted")


async def test_nobody_is_a_failure_with_exit_status_1(command: Command) -> None:
    ran = await command("provision", "nobody@nowhere.example")
    assert ran.code == 1
    assert "knows no user" in ran.err


async def test_a_link_is_shown_deleted_and_made_again_to_the_same_account(live: LiveSystem, command: Command) -> None:
    await come_to_rest(live)
    links = await json_of(command, "links", "list")
    link = links[0]
    assert link["objectId"] in await live.truth()
    assert link["sourceAnchor"] == link["objectId"]
    ran = await command("links", "show", link["targetAnchor"])
    assert link["objectId"] in ran.out
    await json_of(command, "links", "delete", link["objectId"], "--reason", "linked to the wrong account")

    async def matched_anew() -> bool:
        shown = await live.stage.console.get(f"/jobs/{live.job_id}/users/{link['objectId']}")
        said = [entry["what"] for entry in shown["timeline"]]
        deleted = any("link deleted" in what for what in said)
        return deleted and shown["status"] == "provisioned" and shown["targetId"] == link["targetAnchor"]

    await eventually(matched_anew, within=30)
    again = await json_of(command, "links", "show", link["objectId"])
    assert again["targetAnchor"] == link["targetAnchor"]
    assert again["confirmedAt"] > link["confirmedAt"]


async def test_every_link_is_compared_with_the_target_and_found_equal(live: LiveSystem, command: Command) -> None:
    await come_to_rest(live)
    ran = await command("links", "compare")
    assert ran.code == 0, ran.err

    async def compared() -> bool:
        value = await live.stage.console.get(f"/jobs/{live.job_id}/objectConnections")
        return bool(value["value"]) and all(link["comparison"] == "same" for link in value["value"])

    await eventually(compared, within=30)
    assert await json_of(command, "links", "list", "--differing") == []
    await come_to_rest(live)


async def test_a_member_who_just_joined_is_provisioned_on_demand(live: LiveSystem, command: Command) -> None:
    user = await a_user(live, member=True)
    demand = await json_of(command, "provision", user)
    waits = demand["result"] is None and "waits for a license" in demand["statusInfo"]["reason"]
    assert waits or demand["result"] in {"Success", "Skipped"}, demand
    await come_to_rest(live)
    shown = await live.stage.console.get(f"/jobs/{live.job_id}/users/{user}")
    assert shown["status"] in {"provisioned", "waiting"}


async def test_a_user_is_tried_before_the_job_is_started(live: LiveSystem, command: Command) -> None:
    """While the job is paused, what an operator asks for is written, and nothing else."""
    await come_to_rest(live)
    user = next(user for user, account in (await live.evidence()).accounts.items() if account["active"])
    assert (await command("pause")).code == 0
    try:
        # The cycle that is under way ends first: it would see the new title too.
        await eventually(lambda: no_longer_watched(live), within=30)
        title = f"Title {uuid.uuid4().hex[:8]}"
        await live.simulated.change({"op": "updateUser", "userId": user, "properties": {"jobTitle": title}})
        demand = await json_of(command, "provision", user)
        assert demand["result"] == "Success", demand
        assert [item["newValue"] for item in demand["modifiedProperties"] if item["displayName"] == "title"] == [title]
        assert (await live.simulated.accounts())[user]["title"] == title
    finally:
        assert (await command("start")).code == 0
    await come_to_rest(live)


async def no_longer_watched(live: LiveSystem) -> bool:
    held = "SELECT count(*) FROM assignment_watcher.lease WHERE name = $1 AND expires_at > now()"
    async with database(live.stage.system.servers) as connection:
        return not await connection.fetchval(held, f"watcher/{live.job_id}")


async def test_drift_is_found_and_corrected_when_the_job_says_so(live: LiveSystem, command: Command) -> None:
    await come_to_rest(live)
    user, account = next((one, kept) for one, kept in (await live.simulated.accounts()).items() if kept["active"])
    job = f"/jobs/{live.job_id}"
    await live.stage.console.request("PATCH", job, {"settings": {"driftCheck": {"mode": "correct", "interval": "P1D"}}})
    try:
        await live.simulated.linkedin("PATCH", f"/users/{account['id']}", {"title": "Changed by hand"})
        assert (await command("links", "compare", user)).code == 0

        async def corrected() -> bool:
            return bool((await live.simulated.accounts())[user]["title"] == account["title"])

        await eventually(corrected, within=30)
        log = await live.stage.console.get("/auditLogs/provisioning", **{"$filter": "provisioningAction eq 'compare'"})
        assert user in [entry["sourceIdentity"]["id"] for entry in log["value"]]
    finally:
        await live.stage.console.request("PATCH", job, {"settings": {"driftCheck": None}})
    await come_to_rest(live)
