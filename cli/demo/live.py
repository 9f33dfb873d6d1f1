"""The second half: people join, leave and change, groups too; two are rejected; then nothing happens and nothing is written."""

import asyncio
from typing import Any

from cli.demo.invariants import entitled
from cli.demo.stage import Stage

TITLES = 12
LEAVERS = 3
JOINERS = 3
QUIET_CYCLES = 3
INTERVAL_SECONDS = 1.0


async def changes_at_rest(stage: Stage) -> None:
    """Changed titles, one after the other: each is measured from the directory to the request at the target."""
    stage.narrator.step("Live: titles change")
    people = [object_id for object_id, account in (await stage.simulated.accounts()).items() if account["active"]]
    for number, object_id in enumerate(people[:TITLES]):
        await _measured(
            stage,
            object_id,
            {"op": "updateUser", "userId": object_id, "properties": {"jobTitle": f"Account Executive {number + 1}"}},
        )
    latencies = sorted(stage.notes.latencies)
    stage.narrator.good(
        f"{len(latencies)} titles at LinkedIn, each {latencies[len(latencies) // 2]:.2f} s (median) after the change in the directory"
    )


async def _measured(stage: Stage, object_id: str, *mutations: dict[str, Any]) -> None:
    seen = await stage.simulated.last_write()
    # Otherwise each change would come right after a poll, because it follows the end of the one before.
    await asyncio.sleep(stage.chance.uniform(0, INTERVAL_SECONDS))
    changed = await stage.simulated.change(*mutations)

    async def written() -> Any:
        return next((w for w in await stage.simulated.writes(seen) if w["externalId"] == object_id), None)

    write = await stage.until(f"the change of {object_id} is at the target", written, every=0.02)
    stage.notes.latencies.append(write["at"] - changed["at"])


async def leavers_and_joiners(stage: Stage) -> None:
    """Some leave, and their licenses go to the head of the waiting line; some join, and get in line or get a license."""
    stage.narrator.step("Live: people leave, people join")
    line = (await stage.console.get(f"/jobs/{stage.notes.job_id}/licenses"))["waitingLine"]
    truth = (await stage.simulated.graph("GET", "/truth?role=User"))["users"]
    users = await stage.simulated.people(stage.options.users)
    accounts = await stage.simulated.accounts()
    leaving = [
        user
        for user in users
        if len(user["groups"]) == 1
        and accounts.get(user["id"], {}).get("active")
        and len(truth[user["id"]]["roles"]) == 1
    ][-LEAVERS:]
    for user in leaving:
        await _measured(stage, user["id"], {"op": "removeMember", "groupId": user["groups"][0], "userId": user["id"]})
    stage.narrator.good(f"{len(leaving)} left their group and are disabled; their accounts are kept")
    group = leaving[0]["groups"][0] if leaving else users[0]["groups"][0]
    joined = await stage.simulated.change(
        *(
            {
                "op": "createUser",
                "properties": {
                    "displayName": f"New Colleague {number}",
                    "givenName": "New",
                    "surname": f"Colleague {number}",
                    "userPrincipalName": f"new.colleague{number}@contoso.example",
                    "mail": f"new.colleague{number}@contoso.example",
                    "accountEnabled": True,
                },
            }
            for number in range(1, JOINERS + 1)
        )
    )
    new = [result["userId"] for result in joined["results"]]
    await stage.simulated.change(*({"op": "addMember", "groupId": group, "userId": user} for user in new))

    async def known() -> bool:
        truth = (await stage.simulated.graph("GET", "/truth?role=User"))["users"]
        wanted = sum(entitled(user) for user in truth.values())
        counts = (await stage.job())["status"]["counts"]
        in_order = counts["provisioned"] + counts["waiting"] + counts["failed"] == wanted
        active: int = (await stage.simulated.state())["active"]
        return bool(in_order and active == min(wanted, stage.options.seats))

    await stage.until("those who joined are provisioned or in line", known)
    await stage.at_rest()
    accounts = await stage.simulated.accounts()
    heads = [entry["id"] for entry in line[: len(leaving)]]
    served = sum(bool(accounts.get(head, {}).get("active")) for head in heads)
    stage.narrator.good(f"{served} of {len(heads)} licenses that became free went to the head of the waiting line")
    waiting = (await stage.console.get(f"/jobs/{stage.notes.job_id}/licenses"))["waiting"]
    stage.narrator.say(f"{JOINERS} joined; {waiting} wait in line now")


async def disabled_account(stage: Stage) -> None:
    """An account is disabled in the directory, and so it is at the target."""
    stage.narrator.step("Live: an account is disabled in the directory")
    accounts = await stage.simulated.accounts()
    victim = next(object_id for object_id, account in reversed(accounts.items()) if account["active"])
    await _measured(stage, victim, {"op": "updateUser", "userId": victim, "properties": {"accountEnabled": False}})
    stage.narrator.good(f"{victim} is disabled at LinkedIn, not deleted")
    await stage.at_rest()


async def groups_change(stage: Stage) -> None:
    """A group gets another name, and one of its members goes over to another group; the target follows, nobody loses the account."""
    stage.narrator.step("Live: a group is renamed, and somebody changes the group")
    before = await stage.until("the groups are at the target", stage.simulated.groups)
    accounts = {account["id"]: object_id for object_id, account in (await stage.simulated.accounts()).items()}
    group, *others = before
    name = f"{group['displayName']} EMEA"
    await stage.simulated.change(
        {"op": "updateGroup", "groupId": group["externalId"], "properties": {"displayName": name}}
    )
    other, mover = next(
        ((other, member) for other in others for member in group["members"] if member not in other["members"]),
        (None, None),
    )
    if other is not None:
        user = {"userId": accounts[mover]}
        await stage.simulated.change(
            {"op": "addMember", "groupId": other["externalId"], **user},
            {"op": "removeMember", "groupId": group["externalId"], **user},
        )

    async def followed() -> bool:
        there = {item["id"]: item for item in await stage.simulated.groups()}
        moved = other is None or (mover in there[other["id"]]["members"] and mover not in there[group["id"]]["members"])
        return moved and there[group["id"]]["displayName"] == name

    await stage.until("the target's groups are as in the directory", followed)
    stage.narrator.good(f"the group {group['id']} is called {name} at LinkedIn")
    if other is not None:
        stage.narrator.good(f"the account {mover} went from it to the group {other['id']}")
    await stage.at_rest()


async def rejected_users(stage: Stage) -> None:
    """The target rejects two people, and one mail says so."""
    stage.narrator.step("Live: LinkedIn rejects two users")
    accounts = await stage.simulated.accounts()
    pair = [object_id for object_id, account in accounts.items() if account["active"]][1:3]
    fault = {
        "kind": "reject",
        "externalIds": pair,
        "status": 400,
        "scimType": "invalidValue",
        "detail": "title is not acceptable",
    }
    await stage.simulated.linkedin("POST", "/faults", fault)
    before = len(await stage.simulated.mail("GET", "/messages"))
    await stage.simulated.change(
        *({"op": "updateUser", "userId": object_id, "properties": {"jobTitle": "Rejected Title"}} for object_id in pair)
    )

    async def mailed() -> Any:
        return (await stage.simulated.mail("GET", "/messages"))[before:]

    mail = (await stage.until("the mail about the errors arrived", mailed, within=60))[0]
    stage.narrator.good(f"One mail to {', '.join(mail['to'])}: {mail['subject']}")
    for line in (mail["text"] or "").strip().splitlines():
        stage.narrator.say(f"| {line}")
    await stage.at_rest()


async def nothing_changes(stage: Stage) -> None:
    """Further cycles without changes write nothing to the target."""
    stage.narrator.step("Incremental cycles without changes")
    seen = await stage.simulated.last_write()
    before = await _listings(stage)

    async def passed() -> bool:
        return await _listings(stage) >= before + QUIET_CYCLES

    await stage.until("further cycles ran", passed)
    await stage.at_rest()
    stage.notes.quiet_writes = len(await stage.simulated.writes(seen))
    stage.narrator.good(f"{QUIET_CYCLES} cycles, {stage.notes.quiet_writes} requests to change anything at LinkedIn")


async def _listings(stage: Stage) -> int:
    """Return how often the assignments were listed, as the directory counts it."""
    requests = (await stage.simulated.graph("GET", "/journal"))["requests"]
    return sum(entry["count"] for name, entry in requests.items() if "appRoleAssignedTo" in name)
