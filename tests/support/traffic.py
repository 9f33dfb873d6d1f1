"""Changes in the simulated directory, and the proof that they came to rest as the guarantees say."""

import uuid
from collections.abc import Iterator
from typing import Any

from cli.demo import invariants
from cli.demo.evidence import Evidence
from cli.demo.groups import groups_in_step
from cli.demo.invariants import entitled
from tests.support.systems import PATIENCE_SECONDS, SEATS, LiveSystem

WRITTEN = {"title": "jobTitle", "displayName": "displayName", "userName": "userPrincipalName", "externalId": "id"}
"""Some attributes of the mapping: at the target, and in the directory."""


async def joiners_a_change_and_a_leaver(live: LiveSystem, *, joiners: int = 2) -> None:
    """In one transaction of the directory: people join, one title changes, one person leaves."""
    active = await provisioned(live)
    new = [str(uuid.uuid4()) for _ in range(joiners)]
    await live.simulated.change(
        *(
            {"op": "createUser", "userId": user, "properties": {"jobTitle": "Newcomer", "accountEnabled": True}}
            for user in new
        ),
        *({"op": "addMember", "groupId": live.group, "userId": user} for user in new),
        title_of(active[1]),
        {"op": "removeMember", "groupId": live.group, "userId": active[0]},
    )


def title_of(user: str) -> dict[str, Any]:
    """A mutation: a title that nobody had before."""
    return {"op": "updateUser", "userId": user, "properties": {"jobTitle": f"Title {uuid.uuid4().hex[:10]}"}}


async def provisioned(live: LiveSystem) -> list[str]:
    """Who is entitled and has an active account, the longest-serving first."""
    truth, accounts = await live.truth(), await live.simulated.accounts()
    return [user for user in accounts if accounts[user]["active"] and user in truth and entitled(truth[user])]


async def come_to_rest(live: LiveSystem) -> Evidence:
    """Wait until the target is what the directory says and nothing is under way, and return all evidence."""

    async def arrived() -> bool:
        truth, accounts = await live.truth(), await live.simulated.accounts()
        wanted = {user for user, said in truth.items() if entitled(said)}
        active = {user for user, account in accounts.items() if account["active"]}
        return (
            active <= wanted
            and len(active) == min(len(wanted), SEATS)
            and all(accounts[user]["title"] == truth[user]["properties"]["jobTitle"] for user in active)
        )

    await live.stage.until("the target is what the directory says", arrived, within=PATIENCE_SECONDS)
    found: list[Evidence] = []

    async def seen_at_rest() -> bool:
        # The watcher goes on to report what it reads: such a record may come just before it is looked.
        await live.stage.at_rest()
        found.append(await live.evidence())
        return not (found[-1].lag or found[-1].outbox_rows)

    await live.stage.until("nothing is under way", seen_at_rest, within=PATIENCE_SECONDS)
    return found[-1]


def contradictions(evidence: Evidence) -> dict[str, list[str]]:
    """What contradicts the guarantees, by their number; empty when all of them hold."""
    found = {
        "I1": [*invariants.nothing_lost(evidence), *_values_differ(evidence)],
        "I2": list(invariants.never_over_issued(evidence)),
        "I3": list(invariants.first_come_first_served(evidence)),
        "I5": list(invariants.one_account(evidence)),
        "I6": list(invariants.one_mail(evidence)),
        "I7": list(invariants.converged(evidence, quiet_writes=0)),
        "I8": list(invariants.every_change_has_its_event(evidence)),
        "groups": list(groups_in_step(evidence)),
    }
    return {name: problems for name, problems in found.items() if problems}


def _values_differ(evidence: Evidence) -> Iterator[str]:
    for object_id, account in evidence.accounts.items():
        user = evidence.truth.get(object_id)
        if user is None or not account["active"]:
            continue
        if not account["licensed"]:
            yield f"{object_id} is active without a license"
        for target, source in WRITTEN.items():
            if account.get(target) != user["properties"].get(source):
                yield f"{target} of {object_id} is not the directory's {source}"
