"""The timeline of one user: compact facts of every message about them, and the sentences made of these facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.contracts.assignments import DirectoryAssignment, Lifecycle
from shared.contracts.changes import Change, Command, Operation
from shared.contracts.links import LinkFact
from shared.contracts.outcomes import LicenseFact, LicenseState, ProvisioningOutcome, Result


class Kind(StrEnum):
    """Kinds of entries, in the order in which one cause makes them; equal times are sorted by it."""

    ASSIGNMENT = "assignment"
    CHANGE = "change"
    LICENSE = "license"
    COMMAND = "command"
    OUTCOME = "outcome"
    LINK = "link"


RANK: Mapping[str, int] = {kind: rank for rank, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry: when it happened, which service said it, and the facts; never a value of an attribute."""

    at: datetime
    kind: Kind
    facts: dict[str, Any]


def of_assignment(message: DirectoryAssignment) -> Entry:
    """Return the entry of what the directory said."""
    facts: dict[str, Any] = {"assigned": message.assigned}
    if message.assigned:
        facts["direct"] = any(path.group_id is None for path in message.paths)
        facts["groups"] = len({path.group_id for path in message.paths if path.group_id is not None})
        facts["roles"] = [role.value or role.display_name for role in message.roles]
    if message.lifecycle is not Lifecycle.LIVE:
        facts["lifecycle"] = message.lifecycle
    return Entry(at=message.observed_at, kind=Kind.ASSIGNMENT, facts=facts)


def of_change(message: Change) -> Entry:
    """Return the entry of what diff wants."""
    facts: dict[str, Any] = {
        "operation": message.operation,
        "generation": message.generation,
        "reason": message.reason,
        "attributes": [attribute.path for attribute in message.modified] or list(message.resource),
    }
    if message.attempt > 1:
        facts["attempt"] = message.attempt
    return Entry(at=message.decided_at, kind=Kind.CHANGE, facts=facts)


def of_license(message: LicenseFact) -> Entry:
    """Return the entry of a license that moved."""
    facts = {
        "state": message.state,
        "ticket": message.ticket,
        "generation": message.generation,
        "reason": message.reason,
    }
    return Entry(at=message.at, kind=Kind.LICENSE, facts=facts)


def of_command(message: Command, allowed_at: datetime) -> Entry:
    """Return the entry of what the license-allocator allowed; the command itself carries only the time of diff's decision."""
    facts = {
        "operation": message.operation,
        "generation": message.generation,
        "decision": message.license.decision,
        "reason": message.license.reason,
    }
    return Entry(at=allowed_at, kind=Kind.COMMAND, facts=facts)


def of_outcome(message: ProvisioningOutcome) -> Entry:
    """Return the entry of what became of a change."""
    facts: dict[str, Any] = {
        "operation": message.operation,
        "generation": message.generation,
        "result": message.result,
        "reason": message.reason,
    }
    if message.reasons:
        facts["reasons"] = list(message.reasons)
    if message.failure is not None:
        facts["code"] = message.failure.code
        facts["message"] = message.failure.message
        facts["httpStatus"] = message.failure.http_status
    if message.retry_at is not None:
        facts["retryAt"] = message.retry_at
    if message.attempt > 1:
        facts["attempt"] = message.attempt
    if message.license is not None and message.license.ticket is not None and message.result in _GRANTING:
        facts["ticket"] = message.license.ticket
    return Entry(at=message.at, kind=Kind.OUTCOME, facts=facts)


def of_link(message: LinkFact) -> Entry:
    """Return the entry of a link that an operator asked about."""
    facts = {
        "state": message.state,
        "generation": message.generation,
        "reason": message.reason,
        "by": message.requested_by,
        "requestReason": message.request_reason,
    }
    return Entry(at=message.at, kind=Kind.LINK, facts=facts)


def describe(kind: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Return what happened and why, each as one short sentence without a full stop."""
    reason = str(facts.get("reason") or "")
    if kind == Kind.ASSIGNMENT:
        return _assignment(facts), ""
    if kind == Kind.CHANGE:
        attempt = f", attempt {facts['attempt']}" if "attempt" in facts else ""
        return f"{facts['operation']} wanted (generation {facts['generation']}{attempt})", reason
    if kind == Kind.LICENSE:
        return _LICENSE[facts["state"]].format(ticket=facts["ticket"]), reason
    if kind == Kind.COMMAND:
        return f"{facts['operation']} allowed (generation {facts['generation']})", reason
    if kind == Kind.LINK:
        return f"link {facts['state']}, asked for by {facts['by']}", f"{reason}; {facts['requestReason']}"
    what = _RESULT[facts["result"]].format(operation=facts["operation"])
    if facts.get("ticket") and facts["operation"] == Operation.CREATE:
        what += f", license granted (ticket {facts['ticket']})"
    parts = [reason, *facts.get("reasons", ())]
    if "code" in facts:
        status = f" (HTTP {facts['httpStatus']})" if facts.get("httpStatus") else ""
        parts.append(f"{facts['code']}: {facts.get('message', '')}{status}")
    return what, "; ".join(dict.fromkeys(part for part in parts if part))


def _assignment(facts: Mapping[str, Any]) -> str:
    lifecycle = f" ({facts['lifecycle']})" if "lifecycle" in facts else ""
    if not facts["assigned"]:
        return f"no longer assigned{lifecycle}"
    groups = facts.get("groups", 0)
    ways = ["directly"] if facts.get("direct") else []
    if groups:
        ways.append(f"by {groups} group{'s' if groups > 1 else ''}")
    roles = ", ".join(facts.get("roles", ())) or "no role"
    return f"assigned {' and '.join(ways)} with {roles}{lifecycle}".replace("  ", " ")


_LICENSE = {
    LicenseState.WAITING: "waits for a license with ticket {ticket}",
    LicenseState.RESERVED: "license reserved (ticket {ticket})",
    LicenseState.GRANTED: "license granted (ticket {ticket})",
    LicenseState.RELEASED: "license released (ticket {ticket})",
}
_GRANTING = frozenset({Result.DONE, Result.ADOPTED})
_RESULT = {
    Result.DONE: "{operation} done",
    Result.ADOPTED: "{operation} done: an account that was there already was linked",
    Result.RETRY_LATER: "{operation} did not go through and is tried again",
    Result.FAILED: "{operation} failed",
    Result.STOP: "{operation} held back",
    Result.SUPERSEDED: "{operation} not sent: a newer change took its place",
    Result.SKIPPED: "skipped",
    Result.WITHDRAWN: "withdrawn before anything was written",
}
