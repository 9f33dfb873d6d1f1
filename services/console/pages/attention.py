"""What needs a person's attention in one job: each row says what, why, and what to do next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.public import UserStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One row of "Needs attention". ``status`` names the users that it is about, ``place`` the part of the job's page, if any."""

    what: str
    advice: str
    status: UserStatus | None = None
    place: str | None = None


def attention(row: Mapping[str, Any]) -> list[Attention]:
    """Return what needs attention, the most urgent first: what stops the whole job, held removals, failures by cause, the waiting line."""
    status, licenses = row["status"], row["licenses"]
    found = []
    if status["missingSecrets"]:
        names = " and ".join(status["missingSecrets"])
        found.append(
            Attention(what=f"{names} not set", advice="Save the credentials, test the connection, and start the job.")
        )
    for condition in status["conditions"]:
        failure = condition["failure"] or {}
        what = failure.get("message") or condition["condition"]
        found.append(Attention(what=what, advice=failure.get("advice", "")))
    cycle = status["lastCycle"]
    if cycle and cycle["failure"]:
        found.append(
            Attention(what=f"The last cycle failed: {cycle['failure']['message']}", advice=cycle["failure"]["advice"])
        )
    found.extend(
        Attention(
            what=f"The removal of {hold['removals']} users and groups of {hold['active']} is held: {hold['description']}",
            advice="Look into the directory, then approve or reject it on the job's page.",
            place="holds",
        )
        for hold in row["holds"]
    )
    found.extend(
        Attention(
            what=f"{_people(cause['count'])} failed: {cause['code']}",
            advice=cause["advice"] or "",
            status=UserStatus.FAILED,
        )
        for cause in row["failures"]
    )
    if licenses["overcommitted"]:
        found.append(
            Attention(
                what=f"{licenses['overcommitted']} more licenses are in use than the pool has",
                advice="Raise the capacity, or unassign people; nobody is taken a license away.",
            )
        )
    if licenses["waiting"]:
        found.append(
            Attention(
                what=f"{_people(licenses['waiting'])} waiting for a license",
                advice="Raise the capacity, or wait until licenses are released; the line moves by itself.",
                status=UserStatus.WAITING,
            )
        )
    return found


def _people(number: int) -> str:
    return "1 user" if number == 1 else f"{number} users"
