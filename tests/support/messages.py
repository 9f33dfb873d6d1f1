"""Builders of messages: they say only what matters to the test."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from shared.contracts.changes import Change, Operation
from shared.contracts.cloudevents import Envelope
from shared.contracts.control import JobRecord, ScheduleState
from shared.contracts.ids import JOB_OBJECT, derived_id
from shared.contracts.job import JobDefinition
from shared.contracts.message import Message, ObjectType
from shared.runtime.transaction import Received

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_definition(**overrides: Any) -> JobDefinition:
    """A job definition that works; keyword arguments replace whole parts."""
    definition: dict[str, Any] = {
        "displayName": "Sales Navigator",
        "template": "linkedin-sales-navigator",
        "source": {"tenantId": "tenant", "clientId": "client", "servicePrincipalId": "principal"},
        "target": {"tenantUrl": "https://api.linkedin.com/scim"},
        "licenses": {"applicationInstance": "EMEA", "licenseType": "Advanced", "capacity": 10},
    }
    return JobDefinition.model_validate(definition | overrides)


def a_job(job_id: str | None = None, *, version: int = 1, **overrides: Any) -> JobRecord:
    """A job record of version ``version``, active."""
    return JobRecord(
        job_id=job_id or f"job-{uuid4().hex[:8]}",
        object_type=ObjectType.JOB,
        object_id=JOB_OBJECT,
        sequence=version,
        definition=a_definition(**overrides),
        schedule=ScheduleState.ACTIVE,
        changed_at=NOON,
    )


def a_change(job_id: str, object_id: str, generation: int = 1, **overrides: Any) -> Change:
    """A create of one user."""
    values: dict[str, Any] = {
        "job_id": job_id,
        "object_type": ObjectType.USER,
        "object_id": object_id,
        "sequence": generation,
        "generation": generation,
        "operation": Operation.CREATE,
        "reason": "assigned",
        "resource": {"userName": f"{object_id}@contoso.example", "active": True},
        "needs_license": True,
        "decided_at": NOON,
    }
    return Change(**(values | overrides))


def enveloped(message: Message, event_id: UUID | None = None) -> Envelope:
    """The envelope that another service would give this message; the same message gets the same id."""
    event_id = event_id or derived_id("test", message.type, message.key, message.sequence)
    return Envelope(
        id=event_id,
        source="/seatkeeper/test",
        type=message.type,
        subject=message.key,
        time=NOON,
        sequence=message.sequence,
        correlation_id=str(event_id),
    )


def received(message: Message, *, position: int = 0) -> Received[Any]:
    """The message as a handler gets it."""
    return Received(message=message, envelope=enveloped(message), topic=message.topic, partition=0, position=position)
