"""Values for the tests of diff: jobs, assignments, outcomes, license facts, and received messages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from services.diff.backoff import Backoff
from services.diff.core import Decision, Occasion
from services.diff.rules import Rules
from shared.contracts.assignments import AppRole, CycleKind, CycleMark, DirectoryAssignment, Lifecycle
from shared.contracts.changes import Change
from shared.contracts.cloudevents import Envelope, headers_of
from shared.contracts.control import JobRecord, ResetScope, ScheduleState
from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import CYCLE_OBJECT, JOB_OBJECT, derived_id
from shared.contracts.job import JobDefinition, JobSettings, MicrosoftGraphSource, Target
from shared.contracts.message import Message, ObjectType
from shared.contracts.outcomes import LicenseFact, LicenseState, ProvisioningOutcome, Result
from shared.contracts.public import ProvisionedUser, ProvisioningEvent
from shared.contracts.synchronization_schema import Filter, FilterClause, FilterGroup, FilterOperand
from shared.contracts.templates import TEMPLATES
from shared.contracts.topics import DATA_PARTITIONS
from shared.runtime.transaction import Received
from shared.schema.compiling import template_default
from shared.schema.filters import CompiledFilter, compile_filter
from shared.schema.mapping import CompiledObjectMapping, MappedAttribute
from tests.support.builders_mapping import object_mapping

M = TypeVar("M", bound=Message)

JOB = "job-1"
OBJECT = "object-1"
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEMPLATE = "linkedin-sales-navigator"

USER_ROLE = AppRole(id="role-user", value="User", display_name="User")
DEFAULT_ACCESS = AppRole(id="00000000-0000-0000-0000-000000000000", display_name="Default Access")
OTHER_ROLE = AppRole(id="role-other", value="Reader", display_name="Reader")

BACKOFF = Backoff(first=timedelta(seconds=60), soon=timedelta(seconds=5), longest=timedelta(days=1), patience=3)


def definition(**settings: Any) -> JobDefinition:
    return JobDefinition(
        display_name="Sales Navigator",
        template=TEMPLATE,
        source=MicrosoftGraphSource(tenant_id="tenant", client_id="client", service_principal_id="principal"),
        target=Target(tenant_url="https://target.example/scim"),
        settings=JobSettings(**settings),
    )


def rules(mapping: CompiledObjectMapping | None = None, *, can_delete: bool = False, **settings: Any) -> Rules:
    """The rules of a job; its template can delete only when asked for."""
    template = TEMPLATES[TEMPLATE]
    template = replace(template, capabilities=replace(template.capabilities, delete=can_delete))
    return Rules.of(definition(**settings).settings, template, mapping or mapping_of(can_delete=can_delete))


def mapping_of(
    *rows: MappedAttribute, without: Sequence[str] = (), can_delete: bool = False, **more: Any
) -> CompiledObjectMapping:
    """The template's mapping of users with these rows added or put in the place of its own, without some, and with other properties."""
    template = TEMPLATES[TEMPLATE]
    template = replace(template, capabilities=replace(template.capabilities, delete=can_delete))
    kept = template_default(TEMPLATE).users.attributes | {row.path: row for row in rows}
    return object_mapping(tuple(row for path, row in kept.items() if path not in without), template, **more)


def scoping_filter(*clauses: tuple[str, str, str], part: str = "groups") -> CompiledFilter:
    """A filter of one group named Staff; each clause is an attribute, an operator and a value."""
    group = FilterGroup(
        name="Staff",
        clauses=tuple(
            FilterClause(
                source_operand_name=attribute,
                operator_name=operator,
                target_operand=FilterOperand(values=(value,) if value else ()),
            )
            for attribute, operator, value in clauses
        ),
    )
    return compile_filter(Filter(**{part: (group,)}), ObjectType.USER)


def job_record(
    job_id: str = JOB,
    *,
    version: int = 1,
    schedule: ScheduleState = ScheduleState.ACTIVE,
    deleted: bool = False,
    restarts: int = 0,
    resets: dict[ResetScope, int] | None = None,
    **settings: Any,
) -> JobRecord:
    return JobRecord(
        job_id=job_id,
        object_type=ObjectType.JOB,
        object_id=JOB_OBJECT,
        sequence=version,
        definition=definition(**settings),
        schedule=schedule,
        restarts=restarts,
        resets=resets or {},
        deleted=deleted,
        changed_at=AT,
    )


def occasion(rules_: Rules | None = None, *, at: datetime = AT, taken: bool = False) -> Occasion:
    return Occasion(rules=rules_ or rules(), backoff=BACKOFF, at=at, txn="flow-1", taken=taken)


def attributes(**changed: Any) -> dict[str, Any]:
    return {
        "id": OBJECT,
        "userPrincipalName": "ada@example.org",
        "givenName": "Ada",
        "surname": "Example",
        "displayName": "Ada Example",
        "mail": "ada@example.org",
        "accountEnabled": True,
        **changed,
    }


def assignment(
    sequence: int = 1,
    *,
    assigned: bool = True,
    roles: Sequence[AppRole] | None = None,
    lifecycle: Lifecycle = Lifecycle.LIVE,
    job_id: str = JOB,
    object_id: str = OBJECT,
    object_type: ObjectType = ObjectType.USER,
    cycle_id: str = "cycle-1",
    cycle_kind: CycleKind = CycleKind.INITIAL,
    **changed: Any,
) -> DirectoryAssignment:
    if roles is None:
        roles = (USER_ROLE,) if assigned else ()
    return DirectoryAssignment(
        job_id=job_id,
        object_type=object_type,
        object_id=object_id,
        sequence=sequence,
        cycle_id=cycle_id,
        cycle_kind=cycle_kind,
        assigned=assigned,
        roles=tuple(roles),
        lifecycle=lifecycle,
        attributes=attributes(id=object_id, **changed),
        assigned_at=AT,
        observed_at=AT,
    )


def marks(
    cycle_id: str = "cycle-1",
    *,
    number: int = 1,
    job_id: str = JOB,
    kind: CycleKind = CycleKind.INITIAL,
    started_at: datetime = AT,
    schema_version: int = 0,
) -> list[CycleMark]:
    """The marks that close a cycle, one for each partition."""
    return [
        CycleMark(
            job_id=job_id,
            object_type=ObjectType.CYCLE,
            object_id=CYCLE_OBJECT,
            sequence=number,
            cycle_id=cycle_id,
            cycle_kind=kind,
            partition=partition,
            partitions=DATA_PARTITIONS,
            objects=1,
            schema_version=schema_version,
            started_at=started_at,
            ended_at=started_at,
        )
        for partition in range(DATA_PARTITIONS)
    ]


def outcome(change: Change, result: Result = Result.DONE, **changed: Any) -> ProvisioningOutcome:
    """What a writer says of a change; after a success the target holds the resource of the change."""
    succeeded = result in {Result.DONE, Result.ADOPTED}
    values: dict[str, Any] = {
        "job_id": change.job_id,
        "object_type": ObjectType.USER,
        "object_id": change.object_id,
        "sequence": change.generation,
        "generation": change.generation,
        "operation": change.operation,
        "result": result,
        "resource": change.resource if succeeded else None,
        "target_id": (change.target_id or "target-1") if succeeded else None,
        "failure": failure(Code.CONFLICT, "refused") if result is Result.FAILED else None,
        "attempt": change.attempt,
        "at": AT,
    }
    return ProvisioningOutcome(**(values | changed))


def license_fact(
    state: LicenseState, *, sequence: int = 1, generation: int = 1, job_id: str = JOB, object_id: str = OBJECT
) -> LicenseFact:
    return LicenseFact(
        job_id=job_id,
        object_type=ObjectType.USER,
        object_id=object_id,
        sequence=sequence,
        state=state,
        reason="licenses moved",
        application_instance="instance",
        license_type="type",
        ticket=1,
        generation=generation,
        capacity=1,
        in_use=1,
        waiting=0,
        at=AT,
    )


def received(message: M, *, position: int = 0, event: str | None = None) -> Received[M]:
    """The message as the frame hands it over; ``event`` tells events apart whose bodies are equal."""
    envelope = Envelope(
        id=derived_id("test", message.type, message.key, message.sequence, event or message.body().decode()),
        source="/test",
        type=message.type,
        subject=message.key,
        time=AT,
        sequence=message.sequence,
        correlation_id=f"flow of {message.object_id}",
    )
    return Received(message=message, envelope=envelope, topic=message.topic, partition=0, position=position)


def changes(decision: Decision) -> list[Change]:
    return [item.message for item in decision.emissions if isinstance(item.message, Change)]


def change(decision: Decision) -> Change:
    """The one change that a decision emits."""
    found = changes(decision)
    assert len(found) == 1, decision
    return found[0]


def events(decision: Decision) -> list[ProvisioningEvent]:
    return [item.message for item in decision.emissions if isinstance(item.message, ProvisioningEvent)]


def skips(decision: Decision) -> list[ProvisioningOutcome]:
    return [item.message for item in decision.emissions if isinstance(item.message, ProvisioningOutcome)]


def users(decision: Decision) -> list[ProvisionedUser]:
    return [item.message for item in decision.emissions if isinstance(item.message, ProvisionedUser)]


@dataclass(frozen=True)
class KafkaRecord:
    """What the frame reads of a record."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def records(*items: Received[Any]) -> list[Any]:
    """The received messages as they lie in Kafka."""
    return [
        KafkaRecord(
            topic=item.topic,
            partition=0,
            offset=number,
            key=item.message.key.encode(),
            value=item.message.body(),
            headers=[(name, value.encode()) for name, value in headers_of(item.envelope).items()],
        )
        for number, item in enumerate(items)
    ]
