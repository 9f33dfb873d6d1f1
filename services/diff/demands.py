"""A user whom an operator wants provisioned on demand: decided anew even if nothing changed, and explained step by step. Pure.

Sources: Entra, "On-demand provisioning in Microsoft Entra ID" (steps), Microsoft Graph, "synchronizationJob: provisionOnDemand".
"""

from dataclasses import replace
from typing import Any, Final

from services.diff.core import Decision, Occasion, settle, with_assignment
from services.diff.decision_table import decide
from services.diff.emissions import Emission
from services.diff.person import Person
from services.diff.scope import ACTIVE, ASSIGNED, ENTITLED, FILTERED
from services.diff.wanted import Kind, Wanted
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Change, Operation, redact
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.contracts.on_demand import DemandFact, DemandResult, DemandStage, DemandStep
from shared.contracts.outcomes import StepStatus, StepType

SCOPING: Final = "EntrySynchronizationScoping"
SKIPPING: Final = "EntrySynchronizationSkip"
CONDITIONS: Final = (ACTIVE, ASSIGNED, ENTITLED, FILTERED)
_MATCHINGS: Final = {
    Kind.CREATE: "EntrySynchronizationAdd",
    Kind.UPDATE: "EntrySynchronizationUpdate",
    Kind.DISABLE: "EntrySynchronizationUpdate",
    Kind.DELETE: "EntrySynchronizationDelete",
}


def demanded(person: Person | None, assignment: DirectoryAssignment, occasion: Occasion) -> Decision:
    """Decide on a user who was asked for: whoever waits for the next attempt is tried at once, and a change under way is sent anew in the
    flow of the request. Out of scope nothing is written, but for a disable that is due.
    """
    if person is not None and assignment.sequence <= person.assignment.sequence:
        fact = _overtaken(person, assignment, occasion)
        return Decision(kind=Kind.NOTHING, reason=fact.reason, person=person, emissions=(_emission(fact),))
    current = with_assignment(person, assignment)
    afresh = _sent_anew(current)
    wanted = decide(afresh, occasion.rules, taken=occasion.taken)
    decision = settle(person, afresh if wanted.writes else current, wanted, occasion, afresh=True)
    sent = next((item.message for item in decision.emissions if isinstance(item.message, Change)), None)
    fact = _decided(decision, wanted, assignment, occasion, sent=sent)
    return replace(decision, emissions=(*decision.emissions, _emission(fact)))


def _sent_anew(person: Person) -> Person:
    """Return the person as if the change under way carried nothing: what it may have touched is written again."""
    if not person.in_flight or person.sent is None:
        return person
    return replace(person, sent=replace(person.sent, operation=Operation.NONE, resource={}))


def _decided(
    decision: Decision, wanted: Wanted, assignment: DirectoryAssignment, occasion: Occasion, *, sent: Change | None
) -> DemandFact:
    steps = [_scoping(wanted, occasion), _matching(decision.person, wanted, occasion)]
    result, reason = None, sent.reason if sent else wanted.reason
    if sent is None:
        result = DemandResult.SKIPPED
        if wanted.writes:
            reason = f"{wanted.reason}. {decision.reason}"
        code = wanted.code or "RedundantExport"
        steps.append(
            DemandStep(
                name=SKIPPING,
                type=StepType.PROCESSING,
                status=StepStatus.SKIPPED,
                description=reason,
                details={"skipReason": str(code)},
            )
        )
    return _fact(
        decision.person,
        assignment,
        occasion,
        steps=tuple(steps),
        result=result,
        reason=reason,
        action=sent.operation.value if sent else "other",
    )


def _scoping(wanted: Wanted, occasion: Occasion) -> DemandStep:
    conditions: dict[str, Any] = dict.fromkeys(CONDITIONS, True)
    reasons = {item.name: item.reason for item in wanted.failed}
    for name in reasons:
        conditions[name] = False
    in_scope = not wanted.failed
    return DemandStep(
        name=SCOPING,
        type=StepType.SCOPING,
        status=StepStatus.SUCCESS if in_scope else StepStatus.SKIPPED,
        description="The user is in scope." if in_scope else wanted.reason,
        details={
            "inScope": in_scope,
            "conditions": conditions,
            "reasons": reasons,
            "roles": occasion.rules.required_roles,
        },
    )


def _matching(person: Person, wanted: Wanted, occasion: Occasion) -> DemandStep:
    account, hidden = person.account, occasion.rules.redacted
    shown = [
        item.model_copy(update={"value": redact(item.value)}) if item.attribute in hidden else item
        for item in wanted.matching
    ]
    details: dict[str, Any] = {"matching": [item.model_dump(by_alias=True) for item in shown]}
    if account is not None:
        details["targetId"] = account.target_id
        said = "The user is linked to an account at the target."
    elif wanted.writes:
        said = "The user is not linked: the account is looked for by the matching attributes, in this order."
    else:
        said = "The user is not linked, and the target is not asked."
    return DemandStep(
        name=_MATCHINGS.get(wanted.kind, "EntryImport"),
        type=StepType.MATCHING,
        status=StepStatus.SUCCESS if account is not None or wanted.writes else StepStatus.SKIPPED,
        description=said,
        details=details,
    )


def _overtaken(person: Person, assignment: DirectoryAssignment, occasion: Occasion) -> DemandFact:
    reason = "A newer state of the directory has come since it was asked for: what it leads to is under way already"
    return _fact(person, assignment, occasion, result=DemandResult.SKIPPED, reason=reason)


def _fact(person: Person, assignment: DirectoryAssignment, occasion: Occasion, **more: Any) -> DemandFact:
    return DemandFact(
        job_id=person.job_id,
        object_type=ObjectType.USER,
        object_id=person.object_id,
        sequence=assignment.sequence,
        request_id=assignment.request_id or "",
        stage=DemandStage.DECISION,
        generation=person.generation,
        at=occasion.at,
        **more,
    )


def _emission(fact: DemandFact) -> Emission:
    return Emission(message=fact, event_id=derived_id("demand", fact.job_id, fact.request_id, fact.stage))
