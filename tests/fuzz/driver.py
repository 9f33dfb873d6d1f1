"""Runs a plan against a watcher and a simulated tenant, and keeps what the oracles look at."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from services.assignment_watcher import holds
from services.assignment_watcher.cycle import Cycle as WatcherCycle
from services.assignment_watcher.policy import Policy
from services.assignment_watcher.sources.source import SourceError
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.message import ObjectType
from shared.runtime.errors import LeaseLostError
from tests.fuzz import plans as p
from tests.fuzz.guarding import Guard
from tests.fuzz.outcome import Outcome, effective
from tests.fuzz.processes import Process
from tests.fuzz.shadow import STREAMS, Counts
from tests.fuzz.tenant import Tenant
from tests.fuzz.world import LEASE, World
from tests.support.builders_assignment_watcher import a_watched_job, save
from tests.support.messages import NOON, received

RESOLVABLE = ["User"]
USER_PROPERTIES = ("city", "accountEnabled", "userPrincipalName")
GROUP_PROPERTIES = ("displayName", "securityEnabled")
LONGEST_FULL_READ = 60
"""Pages of full reads of a tenant of this size, one row each."""
SETTLE_SECONDS = 3_700.0
"""Between the cycles at the end: longer than any confirmation, and than the longest pause between questions about one unknown user."""


class Run:
    """One plan, carried out once. ``with_crashes``: otherwise the cycles that would crash do not. ``started``: where its clocks start."""

    def __init__(
        self,
        world: World,
        plan: p.Plan,
        *,
        with_crashes: bool = True,
        started: datetime | None = None,
    ) -> None:
        self.world = world
        self.plan = plan
        self.with_crashes = with_crashes
        self.now = self.started = started or datetime.now(UTC)
        self.tenant = Tenant(world.sim, plan, self.now)
        self.said = Outcome()
        self.problems: list[str] = []
        self.errors: list[str] = []
        self.settings: dict[str, Any] = {"requiredRoles": RESOLVABLE, "removalConfirmation": "PT1M"} | plan.settings
        self.version = self.restarts = self.decisions = 0
        self.process = world.process()
        self.processes = [self.process]
        self.skewed = False
        self.cycles_to_settle: int | None = None
        self.unfinished = False
        self._began = 0
        self._windows: dict[str, tuple[Counts, int]] = {}
        self._lows: list[dict[str, int]] = []
        self._guard = Guard(plan.policy)

    # The clock, the job and the operators.

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.now += timedelta(seconds=seconds)
        self.tenant.sim.advance(seconds)

    async def configure(self, settings: dict[str, Any], *, restart: bool = False, more: bool | None = None) -> None:
        self.world.reads_more = self.world.reads_more if more is None else more
        self.settings = self.settings | settings
        self.version, self.restarts = self.version + 1, self.restarts + restart
        record = a_watched_job(self.process.frame, self.world.as_tenant(), version=self.version, **self.settings)
        await save(self.world.frame, record.model_copy(update={"restarts": self.restarts}))

    async def decide(self, *, approve: bool) -> int:
        """Decide every hold that waits, as the handler does; return how many there were."""
        async with self.world.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT hold_id FROM hold WHERE state IN ('held', 'rejected') ORDER BY hold_id"
            )
        if approve:
            async with self.world.database.connection() as connection:
                self._guard.approved |= {
                    row["object_id"] for row in await connection.fetch("SELECT object_id FROM held")
                }
        for row in rows:
            self.decisions += 1
            request = OperatorRequest(
                job_id="job-1",
                object_type=ObjectType.HOLD,
                object_id=row["hold_id"],
                sequence=self.decisions,
                kind=RequestKind.APPROVE_HOLD if approve else RequestKind.REJECT_HOLD,
                hold_id=row["hold_id"],
                reason="looked at it",
                idempotency_key=f"decision-{self.decisions}",
                requested_by="operator",
                at=NOON,
            )
            async with self.world.frame.transaction() as tx:
                await holds.decide(tx, [received(request)])
        return len(rows)

    def restart(self) -> None:
        """Start the process of the watcher anew."""
        self.process = self.world.process()
        self.processes.append(self.process)

    @property
    def counts(self) -> Counts:
        return Counts(
            roles=self.tenant.roles_that_count(self.settings["requiredRoles"]),
            nested=self.settings.get("nestedGroups", False),
        )

    # Cycles.

    async def cycle(self, process: Process | None = None) -> str:
        """Run one cycle as the service would; return how it ended: done, failed, lost, or leased by another."""
        process = process or self.process
        [job] = await self.world.frame.list_jobs()
        self._lows.append(self._low())
        try:
            async with process.frame.lease(LEASE) as lease:
                if lease is None:
                    return "leased"
                usual: dict[str, Any] = {"damper": timedelta(0), "clock": lambda: self.now, "slice_seconds": 1000.0}
                policy = Policy(**usual | self.plan.policy)
                cycle = WatcherCycle(process.frame, job, process.source(job), lease, policy)
                await cycle.run()
                self.unfinished = cycle.unfinished
        except SourceError as error:
            self.errors.append(str(error))
            return "failed"
        except LeaseLostError as error:
            self.errors.append(f"lease lost: {error}")
            return "lost"
        return "done"

    async def finish(self) -> str:
        """Run a cycle, and as the service does at once the next one while a full read goes on page by page."""
        for _ in range(LONGEST_FULL_READ):
            if (
                (ended := await self.cycle()) != "done"
                or not self.unfinished
                or "slice_seconds" not in self.plan.policy
            ):
                break
        return ended

    def _low(self) -> dict[str, int]:
        """The oldest LSN that a replica of each type may answer from now.

        One answer that is old does not count: what is missing from it must be confirmed by another one.
        """
        replica = self.tenant.sim.replica
        old = [one for one in self.tenant.sim.faults.armed.values() if one.kind == "stale"]
        stale = max((one.transactions for one in old), default=0) if sum(one.times or 9 for one in old) > 1 else 0
        back = {name: replica._backward[name] for name in STREAMS}
        low = {
            name: max(1, replica.visible(name) - stale - (back[name].transactions if back[name].probability else 0))
            for name in STREAMS
        }
        self.skewed = self.skewed or any(lsn < self.tenant.shadow.lsn for lsn in low.values())
        return low

    async def disturbed(self, step: p.Cycle) -> None:
        """Run a cycle with something in the middle of it."""
        process, middle = self.process, step.middle
        if isinstance(middle, p.Crash):
            if not self.with_crashes or not await self._crash(process, middle):
                await self.cycle()
        elif isinstance(middle, p.Asleep):
            await self._asleep(process, middle)
        elif isinstance(middle, p.Meanwhile):
            self.world.at_request(middle.request, lambda: self.tenant.change(middle.mutations))
            await self.cycle()
            self.world.at_request(0, None)
        elif step.rival:
            other = self.world.process()
            self.processes.append(other)
            await asyncio.gather(self.cycle(process), self.cycle(other))
        else:
            await self.cycle()

    async def _crash(self, process: Process, crash: p.Crash) -> bool:
        """Let the process die in a cycle; return whether the cycle had committed before."""
        begun = await self._round()
        process.plan(crash.statement, **{"after" if crash.after else "before": process.die})
        try:
            await self.cycle(process)
        except BaseException:
            if not process.dead:
                raise
            await self.world.expire_lease()
            self.restart()
        finally:
            process.forget_plan()
        return await self._round() > begun

    async def _round(self) -> int:
        async with self.world.database.connection() as connection:
            return await connection.fetchval("SELECT coalesce(max(round), 0) FROM watch WHERE initial_completed") or 0

    async def _asleep(self, process: Process, middle: p.Asleep) -> None:
        other = self.world.process()
        self.processes.append(other)
        rivals: list[asyncio.Task[str]] = []

        async def take_over() -> str:
            await self.world.expire_lease()
            return await self.cycle(other)

        async def sleep() -> None:
            self.tenant.change(middle.mutations)
            rivals.append(asyncio.create_task(take_over()))
            # If the sleeper holds a lock that the other one needs, both have to go on.
            await asyncio.wait(rivals, timeout=0.15)

        process.plan(middle.statement, before=sleep)
        await self.cycle(process)
        process.forget_plan()
        await asyncio.gather(*rivals)

    async def note(self) -> None:
        """Read what was said, and look at each end of an assignment: was it one?"""
        async with self.world.database.connection() as connection:
            news = await self.said.read_on(connection)
        counts = self.counts
        self.problems += self._guard.judge(news, counts, self.said.latest)
        for before, message in news:
            object_id = message.object_id
            if effective(message, counts.roles):
                continue
            seen, since = self._windows.get(object_id, (None, 0))
            if seen != counts or not effective(before, counts.roles):
                continue
            lows = self._lows[since:]
            low = {name: min(one[name] for one in lows) for name in STREAMS}
            if not self.tenant.shadow.ever_gone(object_id, counts, since=low, skewed=self.skewed):
                self.problems.append(
                    f"false removal of {object_id} (version {message.sequence}, {message.lifecycle}, "
                    f"paths {len(message.paths)}): it was effective since LSN {low}, now {self.tenant.shadow.lsn}"
                )
        for _, message in news:
            if effective(message, counts.roles):
                self._windows[message.object_id] = (counts, self._began)

    # Steps.

    async def carry_out(self) -> None:
        """All steps of the plan, then nothing is disturbed any more."""
        await self.configure({}, more=True)
        for step in self.plan.steps:
            self._began = len(self._lows)
            await self._step(step)
            await self.note()

    async def _step(self, step: p.Step) -> None:
        match step:
            case p.Cycle():
                self.advance(step.seconds)
                await self.disturbed(step)
            case p.Change():
                self.tenant.change(step.mutations, together=step.together)
            case p.Fault():
                more = dict(step.more) | ({"origin": self.world.foreign.url} if step.kind == "foreignLink" else {})
                more = {name: value for name, value in more.items() if value is not None}
                self.tenant.sim.faults.arm({"match": step.match, "kind": step.kind} | more)
            case p.Lag():
                self.tenant.sim.replica.set(step.asked) if step.asked else self.tenant.sim.replica.reset()
            case p.Expire():
                self._expire(step)
            case p.Turn():
                self.tenant.turn(step.knobs)
            case p.Pass():
                self.advance(step.seconds)
            case p.Decide():
                await self.decide(approve=step.approve)
            case p.Configure():
                await self.configure(step.settings, restart=step.restart, more=step.more)
            case p.Restart():
                self.restart()

    def _expire(self, step: p.Expire) -> None:
        sim = self.tenant.sim
        if step.kind == "access":
            sim.access.expire()
        elif step.kind == "generation":
            sim.tokens.move()
        else:
            sim.tokens.expire("delta" if step.kind == "delta" else "skip", step.shape or "410")

    async def settle(self, most: int) -> int | None:
        """Run cycles until what was said is the truth; return how many that took, or nothing when ``most`` were not enough."""
        self.tenant.put_right()
        if self.settings["requiredRoles"] == ["Nobody"]:
            await self.configure({"requiredRoles": RESOLVABLE})
        if self.process.gate_seconds() > 0:
            self.restart()
        for number in range(1, most + 1):
            self.advance(SETTLE_SECONDS)
            self._began = len(self._lows)
            ended = await self.finish()
            await self.note()
            if ended != "done":
                self.problems.append(f"an undisturbed cycle ended as {ended}: {self.errors[-1:]}")
            held = await self.decide(approve=True)
            if not held and not self.differences():
                return number
        return None

    def differences(self) -> list[str]:
        """Where the watcher's set and the truth differ."""
        counts, names = self.counts, self.tenant.directory.application.role_names
        truth = self.tenant.effective(nested=counts.nested)
        told = {
            object_id: sorted({names[path.role_id] for path in message.paths})
            for object_id, message in self.said.latest.items()
            if effective(message, frozenset())
        }
        expected = {object_id: known["roles"] for object_id, known in truth.items()}
        found = [
            f"{object_id} holds {expected.get(object_id)} but was said to hold {told.get(object_id)}"
            for object_id in sorted(expected.keys() | told.keys())
            if expected.get(object_id) != told.get(object_id)
        ]
        for object_id in expected.keys() & told.keys():
            message, properties = self.said.latest[object_id], truth[object_id]["properties"]
            said, group = message.attributes, message.object_type is ObjectType.GROUP
            compared = GROUP_PROPERTIES if group else USER_PROPERTIES
            more = () if not self.world.reads_more else ("description",) if group else ("manager",)
            found += [
                f"{name} of {object_id} is {properties.get(name)!r} but was said to be {said.get(name)!r}"
                for name in (*compared, *more)
                if said.get(name) != properties.get(name)
            ]
        return found + self._wrong_ways(told)

    def _wrong_ways(self, told: Iterable[str]) -> list[str]:
        """Where a path calls a membership direct that is none, or the other way round."""
        groups = self.tenant.directory.groups
        return [
            f"{object_id} is said to be a {'nested' if path.nested else 'direct'} member of {path.group_id}"
            for object_id in told
            for path in self.said.latest[object_id].paths
            if path.group_id and (object_id in groups[path.group_id].members) is path.nested
        ]
