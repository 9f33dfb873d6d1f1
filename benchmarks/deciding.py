"""People, rules and messages for measuring diff, and how many people one core decides about each second."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from services.diff.core import Occasion, assignment_arrived
from services.diff.decision_table import decide
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from services.diff.rules import Rules
from services.diff.settings import DiffSettings
from shared.contracts.assignments import AppRole, AssignmentPath, CycleKind, DirectoryAssignment
from shared.contracts.changes import Change
from shared.contracts.cloudevents import Envelope
from shared.contracts.control import JobRecord, OperatorRequest, RequestKind, ScheduleState
from shared.contracts.ids import JOB_OBJECT
from shared.contracts.job import JobDefinition, JobSettings
from shared.contracts.message import Message, ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.contracts.preview import PreviewWish
from shared.contracts.synchronization_schema import AttributeMapping, AttributeMappingSource, SourceType
from shared.contracts.templates import TEMPLATES
from shared.schema.compiling import compile_schema, template_default

AT: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
BACKOFF: Final = DiffSettings.model_construct().backoff()
EXPRESSIONS: Final = {
    "userName": 'ToLower(Replace([userPrincipalName], , "(?<Suffix>@(.)*)", "Suffix", "@example.org", , ), )',
    "name.givenName": 'PCase(NormalizeDiacritics(StripSpaces([givenName])), " -")',
    "name.familyName": "ToUpper(Left(NormalizeDiacritics([surname]), 40), )",
    "displayName": 'Join(", ", NormalizeDiacritics([surname]), NormalizeDiacritics([givenName]))',
    "title": 'IIF([jobTitle]="Buyer", Append("Senior ", ToLower([jobTitle], )), Coalesce([jobTitle], "Staff"))',
    'emails[type eq "work"].value': 'Coalesce(ToLower([mail], ), Append(Mid([userPrincipalName], 1, 20), "@example.org"))',
    "nickName": 'Word(Replace([displayName], "-", , , " ", , ), 1, " ")',
    "userType": 'Switch(SingleAppRoleAssignment([appRoleAssignments]), "Guest", "User", Append("Em", "ployee"))',
    "preferredLanguage": 'Switch([country], "en", "Norway", ToLower("NB", ), "Germany", ToLower("DE", ))',
    "profileUrl": 'Join("/", "https://people.example", Item(Split([userPrincipalName], "@"), 1), Left([id], 8))',
}
"""Ten mappings, each of several functions."""


def definition() -> JobDefinition:
    """Return a job with the template's defaults."""
    return JobDefinition.model_validate(
        {
            "displayName": "Measured",
            "template": "linkedin-sales-navigator",
            "source": {"tenantId": "tenant", "clientId": "client", "servicePrincipalId": "principal"},
            "target": {"tenantUrl": "https://scim.example/v2"},
        }
    )


def job_record(job_id: str) -> JobRecord:
    """Return the record of a job with the template's defaults that runs."""
    return JobRecord(
        job_id=job_id,
        object_type=ObjectType.JOB,
        object_id=JOB_OBJECT,
        sequence=1,
        definition=definition(),
        schedule=ScheduleState.ACTIVE,
        changed_at=AT,
    )


def preview_request(job_id: str) -> OperatorRequest:
    """Return what an operator asks for who wants to make the titles of everybody from two attributes."""
    template = TEMPLATES[definition().template]
    document = template.schema.document()
    for mapping in document["synchronizationRules"][0]["objectMappings"]:
        for row in mapping["attributeMappings"]:
            if row["targetAttributeName"] == "title":
                row["source"] = {"expression": 'Join(", ", [jobTitle], [city])', "type": "Function"}
    return OperatorRequest(
        job_id=job_id,
        object_type=ObjectType.PREVIEW,
        object_id="preview",
        sequence=1,
        kind=RequestKind.PREVIEW,
        idempotency_key="preview",
        preview=PreviewWish(
            job_version=1, template=template.name, settings=JobSettings(), synchronization_schema=document
        ),
        requested_by="benchmark",
        at=AT,
    )


def assignment(job_id: str, number: int, sequence: int, *, title: str = "Buyer") -> DirectoryAssignment:
    """Return the state of one of many people."""
    name = f"person{number}"
    return DirectoryAssignment(
        job_id=job_id,
        object_type=ObjectType.USER,
        object_id=f"{number:08d}-0000-4000-8000-000000000000",
        sequence=sequence,
        cycle_id=f"cycle-{sequence}",
        cycle_kind=CycleKind.INCREMENTAL,
        assigned=True,
        paths=(AssignmentPath(assignment_id=f"a{number}", role_id="role", group_id="group", assigned_at=AT),),
        roles=(AppRole(id="role", value="User", display_name="User"),),
        attributes={
            "id": f"{number:08d}-0000-4000-8000-000000000000",
            "userPrincipalName": f"{name}@example.org",
            "givenName": "Zoë",
            "surname": f"Müller {number}",
            "displayName": f"Zoë-Müller {number}",
            "mail": f"{name}@example.org",
            "jobTitle": title,
            "department": "Sales",
            "city": "Oslo",
            "country": "Norway",
            "accountEnabled": True,
        },
        assigned_at=AT,
        observed_at=AT,
    )


def done(change: Change) -> ProvisioningOutcome:
    """Return what the writer says of a change that was carried out."""
    return ProvisioningOutcome(
        job_id=change.job_id,
        object_type=change.object_type,
        object_id=change.object_id,
        sequence=change.generation,
        generation=change.generation,
        operation=change.operation,
        result=Result.DONE,
        resource=change.resource,
        target_id=f"t-{change.object_id}",
        at=AT,
    )


def envelope(message: Message, source: str) -> Envelope:
    """Return an envelope as the service ``source`` would make it."""
    return Envelope(
        id=uuid4(),
        source=source,
        type=message.type,
        subject=message.key,
        time=AT,
        sequence=message.sequence,
        correlation_id=str(uuid4()),
    )


def decision_rates(seconds: float = 2.0) -> dict[str, int]:
    """Return decisions each second on one core: unchanged people by the default mapping, by ten nested expressions, and changed people."""
    default = default_rules()
    return {
        "decideDefaultPerSecond": _rate(default, seconds, _decide),
        "decideExpressionsPerSecond": _rate(expression_rules(), seconds, _decide),
        "changeDefaultPerSecond": _rate(default, seconds, _change),
    }


def default_rules() -> Rules:
    """Return the rules of a job with the template's defaults."""
    template = TEMPLATES[definition().template]
    return Rules.of(JobSettings(), template, template_default(template.name).users)


def expression_rules() -> Rules:
    """Return rules whose mapping makes ten attributes by nested functions."""
    template = TEMPLATES["scim"]
    rule = template.schema.synchronization_rules[0]
    [users] = [one for one in rule.object_mappings if one.source_object_name == "User"]
    others = [one for one in rule.object_mappings if one is not users]
    kept = tuple(row for row in users.attribute_mappings if row.target_attribute_name in {"active", "externalId"})
    made = tuple(
        AttributeMapping(
            target_attribute_name=path,
            source=AttributeMappingSource(expression=text, type=SourceType.FUNCTION),
            matching_priority=1 if path == "userName" else 0,
        )
        for path, text in EXPRESSIONS.items()
    )
    changed = users.model_copy(update={"attribute_mappings": (*made, *kept)})
    schema = template.schema.model_copy(
        update={"synchronization_rules": (rule.model_copy(update={"object_mappings": (changed, *others)}),)}
    )
    return Rules.of(JobSettings(), template, compile_schema(schema, template).users)


def _occasion(rules: Rules) -> Occasion:
    return Occasion(rules=rules, backoff=BACKOFF, at=AT, txn="measured")


def provisioned(rules: Rules, number: int) -> Person:
    """Return somebody who has an account as the rules want it."""
    occasion = _occasion(rules)
    first = assignment_arrived(None, assignment("measured", number, 1), occasion)
    change = next(item.message for item in first.emissions if isinstance(item.message, Change))
    return outcome_arrived(first.person, done(change), occasion).person


def _decide(rules: Rules, person: Person, _: int) -> None:
    decide(person, rules)


def _change(rules: Rules, person: Person, number: int) -> None:
    assignment_arrived(person, assignment("measured", number, 2, title="Seller"), _occasion(rules))


def _rate(rules: Rules, seconds: float, step: Callable[[Rules, Person, int], Any]) -> int:
    people = [provisioned(rules, number) for number in range(500)]
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for number, person in enumerate(people):
            step(rules, person, number)
        count += len(people)
    return round(count / spent)
