"""What the story is played on: the running system, the simulated outside world, and the notes taken on the way."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cli.client import Client
from cli.demo.evidence import consumer_lag, database, outbox_rows
from cli.demo.narrator import Narrator
from cli.demo.simulated import Simulated
from cli.failures import CommandFailedError
from cli.system import System
from deploy.embedded import Supervisor

BUSY_WITH_GROUPS = """
SELECT (SELECT count(*) FROM diff.members_changed)
    + (SELECT count(*) FROM diff.reference_changed)
    + (
        SELECT count(*) FROM diff.group_object
        WHERE status = 'pending' OR in_flight OR members_left OR (members_at IS NOT NULL AND member_attempts = 0)
    )
"""
"""What diff has still to do about groups, their members and managers; a member that was refused waits for a later attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    users: int = 200
    seats: int = 150
    groups: int = 3
    seed: int = 1
    kill: str | None = None
    requests_per_second: float = 20_000


@dataclass(slots=True, kw_only=True)
class Notes:
    """What was measured on the way. Times are seconds; ``latencies`` run from the change in the directory to its request at the target."""

    job_id: str = ""
    startup_seconds: float = 0.0
    initial_seconds: float = 0.0
    initial_users: int = 0
    latencies: list[float] = field(default_factory=list)
    quiet_writes: int = 0
    kills: int = 0
    secrets: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that a step of the story needs."""

    options: Options
    narrator: Narrator
    system: System
    supervisor: Supervisor
    console: Client
    simulated: Simulated
    notes: Notes
    chance: Random = field(default_factory=lambda: Random(1))

    @property
    def patience_seconds(self) -> float:
        """Return how long any step may take before the demo says that it failed."""
        return 120 + self.options.users / 20

    async def job(self) -> dict[str, Any]:
        """Return the job as the console shows it."""
        job: dict[str, Any] = await self.console.get(f"/jobs/{self.notes.job_id}")
        return job

    async def until(
        self, what: str, condition: Callable[[], Any], *, within: float | None = None, every: float = 0.1
    ) -> Any:
        """Wait until the awaited condition is truthy and return it; raise ``CommandFailedError`` naming ``what`` when it never is."""
        deadline = time.monotonic() + (within or self.patience_seconds)
        while True:
            if value := await condition():
                return value
            if time.monotonic() > deadline:
                raise CommandFailedError(
                    f"It did not happen in time: {what}. The logs are in {self.supervisor.log_path('diff').parent}."
                )
            await asyncio.sleep(every)

    async def at_rest(self) -> None:
        """Wait until nothing is under way: no lag, empty outboxes, no work that is due."""

        async def quiet() -> bool:
            async with database(self.system.servers) as connection:
                busy = await outbox_rows(connection)
                busy += await connection.fetchval(
                    "SELECT count(*) FROM scim_writer.work WHERE state IN ('ready', 'in_flight')"
                )
                busy += await connection.fetchval("SELECT count(*) FROM diff.person WHERE status = 'pending'")
                busy += await connection.fetchval(BUSY_WITH_GROUPS)
            # Last, because it costs the most: it asks Kafka anew each time.
            return not busy and not await consumer_lag(self.system.servers)

        await self.until("all records handled", quiet, every=0.3)
