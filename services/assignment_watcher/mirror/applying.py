"""Bringing what was read into the mirror, and noting which users that touches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from services.assignment_watcher.mirror.staging import QUERIES, Staging
from services.assignment_watcher.queries import QUERIES as WATCHER
from services.assignment_watcher.reading.assignments import Listing
from services.assignment_watcher.reading.following import Round
from services.assignment_watcher.reading.rechecks import Rechecked
from services.assignment_watcher.sources.source import Stream
from services.assignment_watcher.store import BULK_SECONDS, Watch
from services.assignment_watcher.streams import Shadow
from shared.runtime.database import Connection

SORT_MEMORY: Final = "SET LOCAL work_mem = '64MB'"
ANALYZE_TOUCHED: Final = "ANALYZE touched"
ANALYZE: Final = "ANALYZE touched, mirror_assignment, mirror_group, mirror_member, mirror_user"
"""Tables that were filled by this very transaction look empty to the planner, which then compares every row with every other."""
ANALYZE_STAGED: Final = "ANALYZE staged_assignment, staged_group, staged_member, staged_user"


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Everything that one cycle read. ``nested``: members of members count."""

    staging: Staging
    listing: Listing | None
    rounds: dict[Stream, Round]
    rechecked: Rechecked
    nested: bool
    now: datetime
    confirmation: timedelta

    @property
    def believed_before(self) -> datetime:
        """What is absent since then may be believed gone."""
        return self.now - self.confirmation

    @property
    def shadows(self) -> dict[Stream, Shadow]:
        """The full reads that are complete."""
        return {stream: one.shadow for stream, one in self.rounds.items() if one.whole and one.shadow is not None}

    @property
    def anything(self) -> bool:
        """Return whether the mirror may differ after this."""
        listing, rechecked = self.listing, self.rechecked
        return bool(
            (listing and (listing.news or listing.gone or listing.still))
            or any(self.staging.rows.values())
            or rechecked.listed_groups
            or self.shadows
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """``thawed``: the absence of an assignment counts again, so that the next listing must be compared even when it is equal.

    ``drift`` counts what only a re-read found.
    """

    thawed: bool = False
    drift: int = 0


class Applying:
    """Applies the news of one cycle, inside its transaction."""

    def __init__(self, connection: Connection, watch: Watch, news: News) -> None:
        self._connection = connection
        self._watch = watch
        self._news = news

    async def apply(self, *, everybody: bool) -> Applied:
        """Apply everything. ``everybody``: every user with a path is touched, because what counts has changed."""
        news, now = self._news, self._news.now
        await self._connection.execute(SORT_MEMORY)
        for staging in (news.staging, news.rechecked.listings):
            if staging.rows:
                await staging.check(self._connection)
        if news.shadows:
            await self._connection.execute(ANALYZE_STAGED)
        await self._assignments()
        for stream, shadow in news.shadows.items():
            await self._shadow(stream, shadow)
        drift = await self._changes(news.staging.attempt, again_at=now + news.confirmation)
        await self._run("trust_deleted_members")
        drift += await self._listed_members()
        await self._connection.execute(ANALYZE if news.shadows else ANALYZE_TOUCHED)
        thawed = [row for row in await self._run("refreeze_assignments") if not row["frozen"]]
        if everybody or news.shadows:
            await self._run("touch_everybody")
        await self._run("doubt_unknown_groups", now)
        await self._run("touch_members", news.nested)
        await self._connection.execute(ANALYZE_TOUCHED)
        await self._run("drop_dead_users")
        await self._run("drop_dead_groups")
        return Applied(thawed=bool(thawed), drift=drift)

    async def _run(self, name: str, *more: Any) -> Any:
        return await self._connection.fetch(getattr(QUERIES, name), self._watch.job_id, *more, timeout=BULK_SECONDS)

    async def _assignments(self) -> None:
        listing, now = self._news.listing, self._news.now
        if listing is None:
            return
        if listing.news:
            attempt = self._news.staging.attempt
            await self._run("trust_listed_again", attempt)
            await self._run("add_assignments", attempt, now)
            await self._run("suspect_absent", attempt, now)
        if listing.still:
            await self._run("doubt_again", list(listing.still), now)
        if listing.gone:
            await self._run("drop_assignments", list(listing.gone))

    async def _shadow(self, stream: Stream, shadow: Shadow) -> None:
        """A full read takes the place of what was known, but what it lacks is only doubted: one answer removes nobody."""
        attempt, now = shadow.attempt, self._news.now
        known = self._watch.streams[stream].generation > 0
        if stream is Stream.GROUPS:
            await self._run("apply_groups", attempt, True, now, self._news.nested, [])
            await self._run("add_shadow_members", attempt)
            if known:
                await self._run("suspect_absent_members", attempt, now, now + self._news.confirmation)
                await self._run("settle_groups", attempt, True)
                await self._run("doubt_missing_groups", attempt, now)
            return
        await self._run("apply_users", attempt, True, now, [])
        if known:
            await self._run("settle_users", attempt, True)
            await self._run("doubt_missing_users", attempt, now)
            await self._run("forget_missing_users", attempt)

    async def _changes(self, attempt: Any, *, again_at: datetime) -> int:
        """Apply records of changes, in the order in which they came; return how many of them only a re-read found."""
        rows, now, rechecked, drift = self._news.staging.rows, self._news.now, self._news.rechecked, 0
        if rows.get("members"):
            await self._run("apply_members", attempt, now, again_at, self._news.nested)
        if rows.get("groups"):
            answers = await self._run("apply_groups", attempt, False, now, self._news.nested, rechecked.read_groups)
            await self._run("settle_groups", attempt, False)
            await self._confirm("group", answers, rechecked.unsure_groups, again_at)
        if rows.get("users"):
            first = self._watch.streams[Stream.USERS].rounds == 0
            unsure = await self._run("unsure_of_managers", attempt) if first else ()
            answers = await self._run("apply_users", attempt, False, now, rechecked.read_users)
            drifted = set(rechecked.drift_users)
            drift = sum(row["changed"] for row in answers if row["object_id"] in drifted)
            await self._run("settle_users", attempt, False)
            await self._confirm("user", answers, rechecked.unsure_users, again_at)
            await self._ask_again("user", unsure, again_at)
        return drift

    async def _confirm(self, kind: str, answers: Any, unsure: Sequence[str], again_at: datetime) -> None:
        """Read again, after a while, what a read by id changed, or said of an object that a round told of too, or that was missing; and
        what was restored.

        The first may have been an old answer, and no round tells of the newer state a second time. What changed of an object while it was
        deleted is told by no round at all.
        """
        await self._ask_again(
            kind, [row for row in answers if row["changed"] or row["several"] or row["object_id"] in unsure], again_at
        )

    async def _ask_again(self, kind: str, rows: Any, again_at: datetime) -> None:
        again = [row["object_id"] for row in rows]
        if again:
            await self._connection.execute(WATCHER.queue_rechecks, self._watch.job_id, kind, again, "confirm", again_at)

    async def _listed_members(self) -> int:
        """Apply the listings of single groups. One that changed or settled something is looked at again: it may have been an old one."""
        rechecked, news = self._news.rechecked, self._news
        if not rechecked.listed_groups:
            return 0
        asked = rechecked.listed_groups
        answers = await self._run(
            "apply_listed_members",
            rechecked.listings.attempt,
            asked,
            news.believed_before,
            news.now,
            [group_id for group_id, _ in rechecked.left],
            [member_id for _, member_id in rechecked.left],
        )
        again = [row["group_id"] for row in answers if row["added"] or row["trusted"] or row["gone"] or row["doubted"]]
        young = await self._connection.fetch(WATCHER.groups_in_doubt, self._watch.job_id, asked)
        again = sorted({*again, *(row["group_id"] for row in young)})
        settled = [group_id for group_id in asked if group_id not in set(again)]
        await self._connection.execute(WATCHER.settle_rechecks, self._watch.job_id, "members", settled)
        await self._connection.execute(
            WATCHER.requeue_recheck, self._watch.job_id, "members", again, news.now + news.confirmation
        )
        drifted = set(rechecked.drift_groups)
        return sum(row["added"] + row["doubted"] for row in answers if row["group_id"] in drifted)
