"""Which group has which name: two groups of one job are never linked to one group at the target (DuplicateSourceEntries)."""

from collections.abc import Iterable, Mapping

from services.diff.groups.group import Group
from services.diff.groups.rules import GroupRules
from services.diff.groups.store import QUERIES
from services.diff.groups.wanted import look_at
from services.diff.mapping import digest_of
from services.diff.store import Key
from shared.runtime.database import Connection


async def note(connection: Connection, groups: Iterable[Group], rules: Mapping[str, GroupRules]) -> frozenset[Key]:
    """Note the names that these groups are matched by, and forget those that they no longer have; return which have to do without.

    The first to come keeps a name, until its group at the target is gone or it has another name.
    """
    wanted = {(group.job_id, group.object_id): digests_of(group, rules[group.job_id]) for group in groups}
    if not wanted:
        return frozenset()
    rows = [(job_id, name, object_id) for (job_id, object_id), names in wanted.items() for name in sorted(names)]
    jobs, names, objects = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    taken: set[Key] = set()
    if rows:
        await connection.execute(QUERIES.note_names, jobs, names, objects)
        held = await connection.fetch(QUERIES.owners_of_names, jobs, names)
        owners = {(row["job_id"], row["digest"]): row["object_id"] for row in held}
        taken = {(job_id, own) for job_id, name, own in rows if owners.get((job_id, name), own) != own}
    keys = sorted(wanted)
    await connection.execute(QUERIES.forget_names, [job for job, _ in keys], [own for _, own in keys], jobs, names)
    return frozenset(taken)


def digests_of(group: Group, rules: GroupRules) -> frozenset[str]:
    """Return what stands for the names of a group that is in scope, or that may exist at the target."""
    scope, mapped = look_at(group, rules)
    if not (scope.in_scope or group.may_exist):
        return frozenset()
    return frozenset(digest_of(value) for value in mapped.matching)
