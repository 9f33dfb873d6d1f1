"""Which group has which name: two groups of one job are never linked to one group at the target (DuplicateSourceEntries)."""

from collections.abc import Iterable, Mapping

from services.diff.groups.group import Group
from services.diff.groups.rules import GroupRules
from services.diff.groups.store import QUERIES
from services.diff.groups.wanted import look_at
from services.diff.mapping import digest_of
from services.diff.matching_values import hold
from services.diff.store import Key
from shared.runtime.database import Connection


async def note(connection: Connection, groups: Iterable[Group], rules: Mapping[str, GroupRules]) -> frozenset[Key]:
    """Note the names that these groups are matched by, and forget those that they no longer have; return which have to do without."""
    wanted = {(group.job_id, group.object_id): digests_of(group, rules[group.job_id]) for group in groups}
    return await hold(connection, QUERIES, wanted)


def digests_of(group: Group, rules: GroupRules) -> frozenset[str]:
    """Return what stands for the names of a group that is in scope, or that may exist at the target."""
    scope, mapped = look_at(group, rules)
    if not (scope.in_scope or group.may_exist):
        return frozenset()
    return frozenset(digest_of(value) for value in mapped.matching)
