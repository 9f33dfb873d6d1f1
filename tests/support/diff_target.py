"""A target and its writer around one frame of diff: changes are taken from the outbox, carried out in memory, and answered."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from services.diff.app import build
from services.diff.handlers import Handlers
from shared.contracts.changes import Change, Operation
from shared.contracts.failure_codes import Code, failure
from shared.contracts.message import Message, ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.runtime.consume import BatchConsumer
from shared.runtime.frame import Frame
from tests.support.builders_diff import BACKOFF, outcome, received, records
from tests.support.builders_groups import GATHERING
from tests.support.frames import outbox

HANDLERS = Handlers(backoff=BACKOFF, retry_batch=500, gathering=GATHERING)


class FakeTarget:
    """``groups`` and ``users`` by id at the target, ``members`` by group id; ``refused`` are account ids that no group takes."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.members: dict[str, set[str]] = {}
        self.refused: set[str] = set()
        self.writes: list[Change] = []
        self.now = datetime.now(UTC)
        self._seen = 0
        self._consumer = BatchConsumer(frame, "test", build(frame.settings).subscriptions)  # type: ignore[arg-type]

    async def give(self, *messages: Message) -> None:
        """Handle one batch as the consumer loop does."""
        await self._consumer.handle(records(*(received(message) for message in messages)))

    async def new_changes(self) -> list[Change]:
        """Return the changes that were emitted since the last call."""
        rows = [row for row in await outbox(self.frame) if row["id"] > self._seen]
        self._seen = max((row["id"] for row in rows), default=self._seen)
        return [Change.model_validate(row["payload"]) for row in rows if row["headers"]["ce_type"] == Change.type]

    async def tick(self, seconds: float = 0) -> int:
        """Run the timer once, ``seconds`` later."""
        self.now += timedelta(seconds=seconds)
        async with self.frame.transaction() as tx:
            tx.now = self.now
            return await HANDLERS.retries(tx) + await HANDLERS.groups.work(tx) + await HANDLERS.resolve(tx)

    async def settle(self, *, patience: int = 60) -> None:
        """Let everything come to rest: answer all changes, run the timer, let time pass."""
        idle = 0
        for _ in range(patience):
            changes = await self.new_changes()
            if changes:
                await self.give(*(self.carry_out(change) for change in changes))
            idle = 0 if await self.tick(2) or changes else idle + 1
            if idle == 3:
                return
        raise AssertionError("it does not come to rest")

    def carry_out(self, change: Change) -> ProvisioningOutcome:
        """Return what becomes of a change; what it writes is written."""
        self.writes.append(change)
        if change.object_type is ObjectType.USER:
            return self._write_user(change)
        return self._write_group(change)

    def _write_user(self, change: Change) -> ProvisioningOutcome:
        target_id = change.target_id or f"account of {change.object_id}"
        if change.operation is not Operation.CREATE and target_id not in self.users:
            return outcome(change, Result.FAILED, failure=failure(Code.INVALID_ANCHOR, "gone"))
        self.users[target_id] = dict(change.resource)
        return outcome(change, Result.DONE, target_id=target_id)

    def _write_group(self, change: Change) -> ProvisioningOutcome:
        told = {"object_type": ObjectType.GROUP, "at": self.now}
        target_id = change.target_id
        if change.operation is Operation.CREATE:
            name = change.resource["displayName"]
            found = [key for key, group in self.groups.items() if group["displayName"] == name]
            target_id = found[0] if found else f"group {len(self.writes)}"
            self.groups[target_id] = dict(change.resource)
            self.members.setdefault(target_id, set())
            return outcome(change, Result.ADOPTED if found else Result.DONE, target_id=target_id, **told)
        if change.operation is Operation.DELETE:
            self.groups.pop(target_id or "", None)
            self.members.pop(target_id or "", None)
            return outcome(change, Result.DONE, target_id=None, **told)
        if target_id not in self.groups:
            return outcome(change, Result.FAILED, failure=failure(Code.INVALID_ANCHOR, "gone"), **told)
        if change.operation is Operation.UPDATE:
            self.groups[target_id] = dict(change.resource)
            return outcome(change, Result.DONE, target_id=target_id, **told)
        return self._write_members(change, target_id, told)

    def _write_members(self, change: Change, target_id: str, told: dict[str, Any]) -> ProvisioningOutcome:
        refused: Sequence[str] = [member for member in change.members if member in self.refused]
        taken = set(change.members) - set(refused)
        if change.operation is Operation.ADD_MEMBERS:
            self.members[target_id] |= taken
        else:
            self.members[target_id] -= taken
        result = Result.DONE if taken else Result.FAILED
        return outcome(change, result, target_id=target_id if taken else None, refused_members=tuple(refused), **told)

    def membership(self) -> dict[str, set[str]]:
        """Return the members by the names of their groups."""
        return {group["displayName"]: self.members[key] for key, group in self.groups.items()}
