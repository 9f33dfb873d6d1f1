"""The groups at the target against those of the directory, by id. Returns what contradicts it; nothing means that it holds."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.demo.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryGroup:
    """A live group of the directory that has the role itself, with the ids of the live users who are its direct members."""

    display_name: str
    members: frozenset[str]


def assigned_groups(evidence: Evidence, role: str = "User") -> dict[str, DirectoryGroup]:
    """Return the groups that are to be at the target, by object id. Groups in a group are members of nothing there."""
    found = {}
    for object_id, group in evidence.truth_groups.items():
        if role in group["roles"] and group["assignable"]:
            members = frozenset(
                user["id"] for user in evidence.directory if object_id in user["groups"] and user["state"] == "live"
            )
            found[object_id] = DirectoryGroup(display_name=group["properties"]["displayName"], members=members)
    return found


def groups_in_step(evidence: Evidence) -> Iterator[str]:
    """The target has exactly the assigned groups, each with exactly those of its direct members who have an account there.

    Who is only disabled at the target has an account. Nobody is a member twice, and no member is anybody else's.
    """
    wanted = assigned_groups(evidence)
    accounts = {account["id"]: object_id for object_id, account in evidence.accounts.items()}
    for object_id, count in Counter(group["externalId"] for group in evidence.target_groups).items():
        if object_id not in wanted:
            yield f"{count} groups at the target are called {object_id}, which is no assigned group"
        elif count > 1:
            yield f"{object_id} is {count} groups at the target"
    there = {group["externalId"]: group for group in evidence.target_groups}
    for object_id, group in wanted.items():
        if object_id not in there:
            yield f"{object_id} is assigned and is no group at the target"
            continue
        if there[object_id]["displayName"] != group.display_name:
            yield f"{object_id} has another name at the target than in the directory"
        yield from _members_differ(object_id, group, there[object_id], accounts, evidence.accounts)


def _members_differ(
    object_id: str,
    group: DirectoryGroup,
    there: Mapping[str, Any],
    accounts: Mapping[str, str],
    of_users: Mapping[str, Any],
) -> Iterator[str]:
    """Compare the members of one group, who are ids of accounts at the target and ids of users in the directory."""
    counted = Counter(there["members"])
    for account_id, count in counted.items():
        if count > 1:
            yield f"{account_id} is a member of {object_id} {count} times"
        if account_id not in accounts:
            yield f"{account_id} is a member of {object_id} and no account of ours"
    members = {accounts[account_id] for account_id in counted if account_id in accounts}
    provisioned = group.members & of_users.keys()
    for user_id in sorted(provisioned - members):
        yield f"{user_id} has an account and is missing in {object_id}"
    for user_id in sorted(members - provisioned):
        yield f"{user_id} is a member of {object_id} at the target and not in the directory"
