"""Two diff services on real Kafka and PostgreSQL: the removals of a cycle are counted once, held once, and go out once."""

import os
from collections import Counter
from typing import Any

from services.diff.app import build
from services.diff.settings import DiffSettings
from shared.contracts.assignments import CycleKind
from shared.contracts.changes import Change
from shared.contracts.control import RequestKind
from shared.contracts.job import DeletionThreshold
from shared.contracts.message import Message, ObjectType
from shared.contracts.source import HoldFact, HoldState
from tests.support.builders_diff import assignment, job_record, marks, outcome, received
from tests.support.diff_frames import people, request
from tests.support.eventually import eventually
from tests.support.frames import publish, reading, running_service, settings_for

COUNT = 40


async def test_two_processes_hold_what_one_cycle_removes_and_let_it_out_once(database_url: str, kafka: str) -> None:
    job_id = f"job-{os.urandom(6).hex()}"
    services = [build(settings_for(database_url, kafka, kind=DiffSettings)) for _ in range(2)]
    names = people(COUNT)

    async def tell(*messages: Message) -> None:
        await publish(kafka, [(item.message, item.envelope) for item in map(received, messages)])

    async with (
        running_service(services[0]),
        running_service(services[1]),
        reading(kafka, Change.topic) as changes,
        reading(kafka, HoldFact.topic) as outcomes,
    ):
        await tell(job_record(job_id, deletion_threshold=DeletionThreshold(count=5, percent=10)))
        await tell(*(assignment(job_id=job_id, object_id=name) for name in names), *marks(job_id=job_id))
        created = await eventually(lambda: sent(changes, job_id, "create", COUNT), within=30)
        await tell(*(outcome(change) for change in created))
        gone: dict[str, Any] = {"assigned": False, "cycle_id": "cycle-2", "cycle_kind": CycleKind.INCREMENTAL}
        closing = marks("cycle-2", number=2, job_id=job_id, kind=CycleKind.INCREMENTAL)
        await tell(*(assignment(2, job_id=job_id, object_id=name, **gone) for name in names), *closing)
        [hold] = await eventually(lambda: holds(outcomes, job_id), within=30)
        assert (hold.state, hold.removals, list(hold.object_ids)) == (HoldState.HELD, COUNT, names)
        assert sent(changes, job_id, "disable", 1) is None
        approval = request(RequestKind.APPROVE_HOLD, ObjectType.HOLD, hold.object_id)
        await tell(approval.model_copy(update={"job_id": job_id}))
        disabled = await eventually(lambda: sent(changes, job_id, "disable", COUNT), within=30)
    assert Counter(change.object_id for change in disabled) == dict.fromkeys(names, 1)
    assert [fact.state for fact in holds(outcomes, job_id) or []] == [HoldState.HELD, HoldState.APPROVED]


def of(records: list[Any], job_id: str, kind: type[Any]) -> list[Any]:
    found = [item for item in records if item.key.startswith(job_id.encode())]
    return [kind.model_validate_json(item.value) for item in found if (("ce_type", kind.type.encode()) in item.headers)]


def sent(records: list[Any], job_id: str, operation: str, count: int) -> list[Change] | None:
    found = [change for change in of(records, job_id, Change) if change.operation == operation]
    return found if len(found) >= count else None


def holds(records: list[Any], job_id: str) -> list[HoldFact] | None:
    return of(records, job_id, HoldFact) or None
