"""Whether somebody belongs to groups, asked of the member: "directoryObject: checkMemberGroups"."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from services.assignment_watcher.graph.gateway import Asked, Graph
from services.assignment_watcher.graph.lookups import find
from services.assignment_watcher.sources.source import Member, SourceUnavailableError

MOST_GROUPS: Final = 20
"""In one question ("directoryObject: checkMemberGroups")."""


async def belonging(graph: Graph, group_id: str, members: Sequence[Member], through: Sequence[str]) -> frozenset[str]:
    """Return the ids of those ``members`` that belong to the group, and by no way that is known.

    The answer is transitive: whoever belongs to one of the groups ``through`` may belong to the group by that alone, and is left out.
    An object that is not there belongs to nothing. Raises ``SourceError``.
    """
    unexplained, asked = list(members), [group_id, *through]
    for start in range(0, len(asked), MOST_GROUPS):
        groups = asked[start : start + MOST_GROUPS]
        above = await _above(graph, unexplained, groups)
        first = start == 0
        unexplained = [
            member
            for member in unexplained
            if (not first or group_id in above[member]) and not above[member] - {group_id}
        ]
    return frozenset(member.object_id for member in unexplained)


async def member_groups(graph: Graph, user_id: str, groups: Sequence[str]) -> list[str]:
    """Return those of the groups whose member a user is, directly or through other groups. Raises ``SourceError``."""
    found: list[str] = []
    user = Member(user_id, nested=False)
    for start in range(0, len(groups), MOST_GROUPS):
        asked = groups[start : start + MOST_GROUPS]
        above = (await _above(graph, [user], asked))[user]
        found += [group_id for group_id in asked if group_id in above]
    return found


async def _above(graph: Graph, members: Sequence[Member], groups: Sequence[str]) -> dict[Member, set[str]]:
    paths = [
        f"/{'groups' if member.nested else 'users'}/{quote(member.object_id, safe='')}/checkMemberGroups"
        for member in members
    ]
    answers = await find(graph, paths, Asked(kind="checkMemberGroups"), content={"groupIds": list(groups)})
    above: dict[Member, set[str]] = {}
    for member, answer in zip(members, answers, strict=True):
        value = [] if answer is None else answer.get("value")
        if not isinstance(value, list):
            raise SourceUnavailableError("Microsoft Graph answered checkMemberGroups without a list of values")
        above[member] = {one.lower() for one in value if isinstance(one, str)}
    return above
