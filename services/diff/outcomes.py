"""What an outcome changes: what the target is known to hold, and whether and when the next attempt is made. Pure, as ``core`` is."""

from dataclasses import replace
from typing import Any

from services.diff.core import Decision, Occasion, finish, is_removal, settle, unchanged
from services.diff.decision_table import decide
from services.diff.emissions import Fact
from services.diff.error_classes import Retrying, kind_of
from services.diff.escrow import EXPIRED, escrowed
from services.diff.person import Account, Person
from services.diff.rules import Rules
from shared.contracts.changes import Operation
from shared.contracts.failure_codes import Code, failure
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.contracts.public import EventName, UserStatus

_SUCCESSES = frozenset({Result.DONE, Result.ADOPTED})
_ENDINGS = _SUCCESSES | {Result.FAILED, Result.RETRY_LATER, Result.SUPERSEDED, Result.WITHDRAWN}


def outcome_arrived(person: Person, outcome: ProvisioningOutcome, occasion: Occasion) -> Decision:
    """Decide on what became of a change.

    What the target confirmed is noted for every generation, never an older one over a newer one. Only the end of the newest change decides
    the status, and then it is decided anew, so that nothing that arrived meanwhile is lost.
    """
    if outcome.result not in _ENDINGS or outcome.generation > person.generation:
        return unchanged(person, "Nothing that concerns a change of ours")
    if occasion.taken and outcome.result in _SUCCESSES:
        outcome = _of_somebody_else(outcome)
    newest = person.in_flight and outcome.generation == person.generation
    under_way = person.in_flight and not newest
    current, facts = _note_confirmed(person, outcome, occasion.rules, in_flight=under_way)
    if outcome.result is Result.RETRY_LATER:
        current = _doubt(current, outcome.generation)
    elif outcome.result is Result.WITHDRAWN:
        if current.license_generation <= outcome.generation:
            current = replace(current, license_waiting=False)
        facts = [Fact(event=EventName.WITHDRAWN, operation=outcome.operation)]
    if not newest:
        return _after_older(person, current, occasion, facts)
    if current.in_flight:
        current = replace(current, in_flight=False)
    if outcome.result in _SUCCESSES:
        current = _settle_doubt(current, occasion.rules)
        wanted = decide(current, occasion.rules, trust_done=outcome.result is Result.DONE)
        return settle(person, current, wanted, occasion, facts=facts, afresh=True)
    return _after_failure(person, current, outcome, occasion, facts)


def _of_somebody_else(outcome: ProvisioningOutcome) -> ProvisioningOutcome:
    """Return what follows when the account that was found is linked to another user: it is not linked a second time."""
    message = "The account that was found is linked to another user of this job"
    told = failure(Code.DUPLICATE_SOURCE_ENTRIES, message)
    return outcome.model_copy(update={"result": Result.FAILED, "failure": told})


def _after_older(person: Person, current: Person, occasion: Occasion, facts: list[Fact]) -> Decision:
    at_rest = not current.in_flight and current.next_attempt_at is None
    if at_rest and (current.account, current.doubtful) != (person.account, person.doubtful):
        # It came late: the newest change has ended already, and what is known of the target has just changed.
        return settle(person, current, decide(current, occasion.rules), occasion, facts=facts)
    return finish(person, current, occasion, reason="A newer change decides", facts=facts)


def _after_failure(
    person: Person, current: Person, outcome: ProvisioningOutcome, occasion: Occasion, facts: list[Fact]
) -> Decision:
    code = outcome.failure.code if outcome.failure else None
    refused = outcome.result is Result.FAILED
    if refused and code == Code.INVALID_ANCHOR:
        current = replace(current, account=None, settled=outcome.generation, doubtful=frozenset())
    wanted = decide(current, occasion.rules)
    if not wanted.writes or (current.staged_in is not None and is_removal(wanted)):
        return settle(person, current, wanted, occasion, facts=facts)
    passes = not refused or kind_of(code).retrying is Retrying.QUICKLY
    after = escrowed(current, occasion.backoff, occasion.at, passes=passes, asked=outcome.retry_at)
    failed, expired = after.escrows > current.escrows, after.next_attempt_at is None
    reasons = (outcome.failure.message,) if outcome.failure else wanted.reasons
    after = replace(
        after,
        status=UserStatus.FAILED if failed else UserStatus.PENDING,
        reason_code=code or wanted.code,
        reasons=(*reasons, EXPIRED) if expired else reasons,
    )
    if failed:
        facts = [*facts, Fact(event=EventName.FAILED, operation=outcome.operation, code=code)]
    planned = EXPIRED if expired else "tried again later"
    return finish(person, after, occasion, reason=f"{outcome.result}: {planned}", facts=facts)


def _doubt(person: Person, generation: int) -> Person:
    """The change may have been carried out, or a part of it: all that it could touch is to be written again.

    Unless a later change has been carried out since: that one wrote over it.
    """
    if person.sent is None or person.settled > generation:
        return person
    return replace(person, doubtful=person.doubtful | person.sent.touched)


def _settle_doubt(person: Person, rules: Rules) -> Person:
    """The newest change was carried out. A create or update wrote everything that was in doubt; a disable only ``active``."""
    if person.sent is None:
        return person
    doubtful: frozenset[str] = frozenset()
    if person.sent.operation is Operation.DISABLE and person.account is not None:
        doubtful = (person.doubtful | person.sent.touched) - {rules.active_path}
    return replace(person, doubtful=doubtful) if doubtful != person.doubtful else person


def _note_confirmed(
    person: Person, outcome: ProvisioningOutcome, rules: Rules, *, in_flight: bool
) -> tuple[Person, list[Fact]]:
    """Note what the target holds after a success, unless a newer generation has told already."""
    known = person.account
    if outcome.result not in _SUCCESSES or person.settled >= outcome.generation:
        return person, []
    target_id = outcome.target_id or (known.target_id if known else None)
    resource = outcome.resource
    if outcome.operation is not Operation.CREATE and known is None and target_id is None and resource is None:
        return replace(person, settled=outcome.generation), []  # there was nothing to disable, to delete or to link
    if outcome.operation is Operation.DELETE:
        gone = replace(person, account=None, settled=outcome.generation, doubtful=frozenset(), in_flight=in_flight)
        return gone, [Fact(event=EventName.DELETE, operation=outcome.operation)]
    if resource is None and person.sent is not None and outcome.generation == person.generation:
        resource = person.sent.resource
    if resource is None:
        return person, []  # an older change whose effect is not told: the newest one decides
    account = Account(target_id=target_id, resource=resource)
    fact = _fact_of(known.resource if known else None, account, outcome.operation, rules)
    return replace(person, account=account, settled=outcome.generation, in_flight=in_flight), [fact]


def _fact_of(old: dict[str, Any] | None, account: Account, operation: Operation, rules: Rules) -> Fact:
    before = old or {}
    names = tuple(path for path, value in account.resource.items() if path not in before or before[path] != value)
    active = rules.active_path
    if operation is Operation.DISABLE:
        event, names = EventName.DEACTIVATE, (active,)
    elif old is None:
        event = EventName.CREATE
    elif before.get(active) is False and account.resource.get(active) is not False:
        event = EventName.ACTIVATE
    elif before.get(active) is not False and account.resource.get(active) is False:
        event = EventName.DEACTIVATE
    else:
        event = EventName.PATCH
    return Fact(event=event, operation=operation, attributes=names)
