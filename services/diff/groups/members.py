"""Memberships follow their users: the rows of one batch, by one read and one write."""

from collections.abc import Iterable, Mapping, Sequence

from services.diff.following import Followed, Move
from services.diff.groups import membership_store
from services.diff.groups.membership import Membership, concerning
from services.diff.store import Key
from shared.runtime.transaction import Transaction


async def follow(tx: Transaction, moves: Sequence[Move]) -> None:
    """Bring the memberships of persons in step with their groups and accounts; the caller has these persons locked."""
    moved = {
        (move.job_id, move.object_id): move.after
        for move in moves
        if (move.before.groups, move.before.target_id) != (move.after.groups, move.after.target_id)
    }
    if not moved:
        return
    known = await membership_store.lock_of_users(tx.connection, sorted(moved))
    changed = in_step(moved, known)
    await membership_store.save(tx.connection, changed)
    await membership_store.note_changed(
        tx.connection, {(item.job_id, item.group_id) for item in changed if item.need is not None}
    )


def in_step(moved: Mapping[Key, Followed], known: Iterable[Membership]) -> list[Membership]:
    """Return the memberships that change when the users are as ``moved`` says; ``known`` are all that these users have."""
    rows = {(item.job_id, item.group_id, item.user_id): item for item in known}
    stored = dict(rows)
    for (job_id, user_id), person in moved.items():
        for group_id in person.groups:
            key = (job_id, group_id, user_id)
            rows.setdefault(key, Membership(job_id=job_id, group_id=group_id, user_id=user_id))
    changed = []
    for key, item in rows.items():
        person = moved[item.job_id, item.user_id]
        after = concerning(item, wanted=item.group_id in person.groups, target_id=person.target_id)
        if after != stored.get(key):
            changed.append(after)
    return changed
