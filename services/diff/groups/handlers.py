"""What diff does with messages about groups, and when something of a group is due: load the batch, decide in memory, save the batch."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from services.diff.backoff import Backoff
from services.diff.emissions import Emission
from services.diff.flows import envelope_of
from services.diff.groups import membership_store, names, store
from services.diff.groups.core import (
    NEED_OF,
    GroupDecision,
    GroupOccasion,
    assignment_arrived,
    deletion_let_out,
    members_picked,
    retry_due,
    with_assignment,
)
from services.diff.groups.group import Group
from services.diff.groups.membership import Need, of_new_link, sent
from services.diff.groups.outcomes import ends_change, members_over, membership_after, outcome_arrived
from services.diff.groups.rules import GroupRules
from services.diff.groups.store import StoredGroup
from services.diff.groups.wanted import takes_members
from services.diff.health.store import add_deltas
from services.diff.health.tally import by_job
from services.diff.job_rules import group_rules
from services.diff.removals import cycles
from services.diff.store import Flow, Key, key_of
from shared.contracts.assignments import CycleKind, DirectoryAssignment
from shared.contracts.changes import MOST_MEMBERS
from shared.contracts.cloudevents import Envelope
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.runtime.jobs import Job
from shared.runtime.transaction import Received, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupHandlers:
    """The handlers of groups of one process; they keep nothing between batches.

    ``batch``: most groups, and most words about changed memberships, that one transaction of the timer takes.
    """

    backoff: Backoff
    batch: int
    gathering: timedelta

    async def assignments(self, tx: Transaction, received: Sequence[Received[DirectoryAssignment]]) -> None:
        """Decide on new states of the directory."""
        items = [item for item in received if item.message.object_type is ObjectType.GROUP]
        rules = rules_of(await tx.jobs({item.message.job_id for item in items}))
        items = [item for item in items if item.message.job_id in rules]
        if not items:
            return
        known = await store.lock_groups(tx.connection, {key_of(item.message) for item in items})
        loaded = {key: one.group for key, one in known.items()}
        rejected = await cycles.rejected(tx.connection, cycles.staged_among(loaded.values()))
        taken = await names.note(tx.connection, _newest(items, loaded), rules)
        groups = loaded.copy()
        changed: dict[Key, StoredGroup] = {}
        opening = [item.message for item in items if item.message.cycle_kind is CycleKind.INITIAL]
        for item in items:
            key, before = key_of(item.message), groups.get(key_of(item.message))
            occasion = self._occasion(tx, rules[key[0]], item.envelope.correlation_id, taken=key in taken)
            occasion = replace(occasion, cycle=item.message.cycle_id, rejected=rejected)
            decision = assignment_arrived(before, item.message, occasion)
            if decision.group is before:
                continue
            _emit(tx, decision.emissions, item.envelope)
            if decision.group.staged_in == item.message.cycle_id:
                opening.append(item.message)
            flow = Flow(correlation_id=item.envelope.correlation_id, traceparent=item.envelope.traceparent)
            groups[key] = decision.group
            changed[key] = StoredGroup(group=decision.group, flow=flow)
        await cycles.open_cycles(tx.connection, opening)
        await self._save(tx, loaded, changed)

    async def outcomes(self, tx: Transaction, received: Sequence[Received[ProvisioningOutcome]]) -> None:
        """Decide on what became of changes, and let the next members go out."""
        items = [
            item
            for item in received
            if item.message.object_type is ObjectType.GROUP and item.message.result is not Result.SKIPPED
        ]
        rules = rules_of(await tx.jobs({item.message.job_id for item in items}))
        items = [item for item in items if item.message.job_id in rules]
        if not items:
            return
        known = await store.lock_groups(tx.connection, {key_of(item.message) for item in items})
        loaded = {key: one.group for key, one in known.items()}
        found = {(item.message.job_id, item.message.target_id) for item in items if item.message.target_id}
        owners = await store.owners_of(tx.connection, sorted(found))
        changed: dict[Key, StoredGroup] = {}
        for item in items:
            key, outcome = key_of(item.message), item.message
            one = changed.get(key) or known.get(key)
            if one is None or not ends_change(one.group, outcome):
                continue  # a change is sent with the group's row in the same transaction: this one was never ours, or it is late
            owner = key[1]
            if outcome.target_id:
                owner = owners.setdefault((key[0], outcome.target_id), owner)
            occasion = self._occasion(tx, rules[key[0]], item.envelope.correlation_id, taken=owner != key[1])
            await self._settle_members(tx, one.group, outcome, occasion)
            decision = outcome_arrived(one.group, outcome, occasion)
            _emit(tx, decision.emissions, item.envelope)
            group = await self._next_members(tx, decision.group, occasion, item.envelope, whole=True)
            changed[key] = replace(one, group=group)
        await self._save(tx, loaded, changed)

    async def release(self, tx: Transaction, job_id: str, cycle_id: str) -> int:
        """Send deletions of groups that their cycle lets out; return how many there were."""
        staged = await store.lock_staged(tx.connection, job_id, cycle_id, self.batch)
        await self.decide_anew(tx, staged, deletion_let_out)
        return len(staged)

    async def look_at_job(
        self,
        tx: Transaction,
        job_id: str,
        decide: Callable[[Group, GroupOccasion], GroupDecision],
        *,
        cycle: str | None = None,
    ) -> None:
        """Decide about every group of a job without a message as the cause; a deletion that follows waits with ``cycle``."""
        await self.decide_anew(tx, await store.lock_groups_of_job(tx.connection, job_id), decide, cycle=cycle)

    async def decide_anew(
        self,
        tx: Transaction,
        stored: Mapping[Key, StoredGroup],
        decide: Callable[[Group, GroupOccasion], GroupDecision],
        *,
        cycle: str | None = None,
    ) -> None:
        """Decide about locked groups in the flow of their newest assignment, and save what changed."""
        rules = rules_of(await tx.jobs({job_id for job_id, _ in stored}))
        there = {key: one for key, one in stored.items() if key[0] in rules}
        taken = await names.note(tx.connection, (one.group for one in there.values()), rules)
        changed: dict[Key, StoredGroup] = {}
        for key, one in there.items():
            occasion = self._occasion(tx, rules[key[0]], one.flow.correlation_id, taken=key in taken)
            decision = decide(one.group, replace(occasion, cycle=cycle))
            if decision.group != one.group:
                _emit(tx, decision.emissions, envelope_of(one.group.assignment, one.flow, tx.now))
                changed[key] = replace(one, group=decision.group)
        await self._save(tx, {key: one.group for key, one in there.items()}, changed)

    async def work(self, tx: Transaction) -> int:
        """Do a bounded piece of what is due at ``tx.now``: attempts, changes of members, rows of older links. Return how much there was."""
        due = await store.lock_due(tx.connection, tx.now, self.batch)
        await self.decide_anew(tx, due, retry_due)
        words = await self._gather(tx)
        open_ = await store.lock_members_due(tx.connection, tx.now, self.batch)
        rules = rules_of(await tx.jobs({job_id for job_id, _ in open_}))
        changed = {}
        for key, one in open_.items():
            if key[0] in rules:
                occasion = self._occasion(tx, rules[key[0]], one.flow.correlation_id)
                cause = envelope_of(one.group.assignment, one.flow, tx.now)
                changed[key] = replace(one, group=await self._next_members(tx, one.group, occasion, cause, whole=False))
        await self._save(tx, {key: one.group for key, one in open_.items()}, changed)
        swept = await self._sweep(tx)
        return len(due) + words + len(open_) + swept

    async def _gather(self, tx: Transaction) -> int:
        """Note for which groups something is to be done about members, a little later, so that they go out together."""
        words, keys = await membership_store.take_changed(tx.connection, self.batch)
        changed = []
        at = tx.now + self.gathering
        for one in (await store.lock_groups(tx.connection, keys)).values() if keys else ():
            group = one.group
            # After a change of members that came to nothing its wait stands; what only waits for a refused member does not.
            waits = group.members_at is not None and (group.members_at <= at or group.member_attempts > 0)
            if not (group.in_flight or waits):
                changed.append(replace(one, group=replace(group, members_at=at)))
        await store.save_groups(tx.connection, changed)
        return words

    async def _sweep(self, tx: Transaction) -> int:
        """Set right what rows of members tell of a group at the target that is gone."""
        done = 0
        for one in (await store.lock_members_left(tx.connection)).values():
            rows = await membership_store.lock_of_older_links(tx.connection, one.group)
            await membership_store.save(tx.connection, [of_new_link(row) for row in rows])
            left = len(rows) == membership_store.SWEPT_AT_ONCE
            group = replace(one.group, members_left=left, members_at=one.group.members_at or tx.now)
            await store.save_groups(tx.connection, [replace(one, group=group)])
            done += 1
        return done

    async def _settle_members(
        self, tx: Transaction, group: Group, outcome: ProvisioningOutcome, occasion: GroupOccasion
    ) -> None:
        need = NEED_OF.get(group.sent.operation) if group.sent is not None else None
        if need is not None:
            rows = await membership_store.lock_sent(tx.connection, group)
            await membership_store.save(tx.connection, [membership_after(row, need, outcome, occasion) for row in rows])

    async def _next_members(
        self, tx: Transaction, group: Group, occasion: GroupOccasion, cause: Envelope, *, whole: bool
    ) -> Group:
        """Return the group with the next change of members on its way, if it is time for one.

        With ``whole`` only a full change goes out, and less waits for more to come: a group that is filled slowly would otherwise cost the
        target a request for each member.
        """
        if group.in_flight or group.members_at is None or group.members_at > tx.now:
            return group
        if not takes_members(group, occasion.rules):
            return replace(group, members_at=None)
        for need in (Need.REMOVE, Need.ADD):
            rows = await membership_store.lock_needed(tx.connection, group, need, tx.now)
            if rows and not (whole and len(rows) < MOST_MEMBERS):
                members = [row.subject for row in rows if row.subject is not None]
                decision = members_picked(group, need, members, occasion)
                on_the_way = [
                    sent(row, generation=decision.group.generation, link_number=group.link_number) for row in rows
                ]
                await membership_store.save(tx.connection, on_the_way)
                _emit(tx, decision.emissions, cause)
                return decision.group
            if rows:
                break
        later = await membership_store.next_need(tx.connection, group)
        if later is None and group.member_attempts:
            over = members_over(group, occasion)
            _emit(tx, over.emissions, cause)
            return over.group
        return replace(group, members_at=later and max(later, tx.now + self.gathering))

    async def _save(self, tx: Transaction, before: Mapping[Key, Group], changed: Mapping[Key, StoredGroup]) -> None:
        after = {key: one.group for key, one in changed.items()}
        await store.save_groups(tx.connection, list(changed.values()))
        await cycles.join(tx.connection, cycles.staged_among(after.values()))
        await add_deltas(tx.connection, by_job((before.get(key), group) for key, group in after.items()))

    def _occasion(self, tx: Transaction, rules: GroupRules, txn: str, *, taken: bool = False) -> GroupOccasion:
        return GroupOccasion(
            rules=rules, backoff=self.backoff, at=tx.now, txn=txn, gathering=self.gathering, taken=taken
        )


def rules_of(jobs: Mapping[str, Job]) -> dict[str, GroupRules]:
    """Return the rules of groups of those jobs that are not deleted."""
    return {job_id: group_rules(job) for job_id, job in jobs.items() if not job.deleted}


def _newest(items: Sequence[Received[DirectoryAssignment]], loaded: Mapping[Key, Group]) -> list[Group]:
    """Return the groups as they are by the newest assignment of the batch."""
    newest: dict[Key, Group] = {}
    for item in items:
        key = key_of(item.message)
        before = newest.get(key) or loaded.get(key)
        if before is None or item.message.sequence > before.assignment.sequence:
            newest[key] = with_assignment(before, item.message)
    return list(newest.values())


def _emit(tx: Transaction, emissions: Iterable[Emission], cause: Envelope) -> None:
    for emission in emissions:
        tx.emit(emission.message, event_id=emission.event_id, cause=cause)
