"""Asking for one user on demand, and reading how far it is."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from services.console import job_definitions
from services.console.audit import Request
from services.console.job_definitions import SecretsMissingError
from services.console.links import asking
from services.console.links.asking import Wish
from services.console.on_demand.answering import MOST_IN_WINDOW, WINDOW_SECONDS, Demand, retry_after
from services.console.on_demand.store import QUERIES
from services.console.store import QUERIES as CONSOLE
from shared.contracts.control import RequestKind
from shared.contracts.ids import derived_id
from shared.contracts.on_demand import DemandFact
from shared.contracts.outcomes import LicenseFact, ProvisioningOutcome
from shared.runtime.database import Connection
from shared.runtime.transaction import Transaction


class TooManyRequestsError(Exception):
    """More users on demand than a job takes at once; ``seconds`` says when the next one is taken."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"{seconds} s")
        self.seconds = seconds


class DemandNotFoundError(Exception):
    """There is no such request, or it is forgotten."""


async def ask(tx: Transaction, request: Request, job_id: str, user: str, key: str) -> None:
    """Ask for a user by object id, userPrincipalName or mail address; the same key again asks for nothing new.

    Who is known here goes by object id, anybody else is looked for in the directory. Raises ``JobNotFoundError``, ``KeyReusedError``,
    ``SecretsMissingError``, ``TooManyRequestsError``.
    """
    await tx.connection.fetchrow(CONSOLE.lock_job, job_id)  # so that requests are counted one after the other
    job = await job_definitions.load_job(tx.connection, job_id)
    wish = Wish(job_id=job_id, kind=RequestKind.PROVISION_ON_DEMAND, idempotency_key=key)
    asked = await tx.connection.fetchrow(QUERIES.find_asked, job_id, key)
    if asked is not None and asked["user_name"] == user:
        # The user may be known by now who was a stranger then: a repeat is about whom the first request was about.
        await asking.ask(tx, request, replace(wish, object_id=asked["object_id"]))
        return
    if job.missing_secrets:
        raise SecretsMissingError(job.missing_secrets)
    known = await tx.connection.fetchrow(CONSOLE.find_person, job_id, user.lower())
    known = known or await tx.connection.fetchrow(CONSOLE.find_person_by_name, job_id, user)
    object_id = known["object_id"] if known else None
    # No name and no mail address becomes part of a key.
    named = object_id or str(derived_id("demand", job_id, user.strip().casefold()))
    wish = replace(wish, object_id=named, user=object_id or user)
    rows = await tx.connection.fetch(
        QUERIES.newest_demands, job_id, tx.now - timedelta(seconds=WINDOW_SECONDS), MOST_IN_WINDOW
    )
    seconds = retry_after([row["at"] for row in rows], tx.now)
    if not await asking.ask(tx, request, wish):
        return
    if seconds is not None:
        raise TooManyRequestsError(seconds)
    await tx.connection.execute(
        QUERIES.insert_demand,
        job_id,
        key,
        str(asking.request_id(wish)),
        user,
        object_id,
        request.operator.name,
        tx.now,
    )


async def load(connection: Connection, job_id: str, request_id: str) -> Demand:
    """Return a request with what was said of it so far; raises ``JobNotFoundError``, ``DemandNotFoundError``."""
    await job_definitions.load_job(connection, job_id)
    row = await connection.fetchrow(QUERIES.load_demand, job_id, request_id)
    if row is None:
        raise DemandNotFoundError
    return _demand(row)


def _demand(row: Mapping[str, Any]) -> Demand:
    return Demand(
        job_id=row["job_id"],
        request_id=row["request_id"],
        user_name=row["user_name"],
        object_id=row["object_id"],
        at=row["at"],
        display_name=row["display_name"],
        user_principal_name=row["user_principal_name"],
        source=DemandFact.model_validate_json(row["source"]) if row["source"] else None,
        decision=DemandFact.model_validate_json(row["decision"]) if row["decision"] else None,
        waiting=LicenseFact.model_validate_json(row["waiting"]) if row["waiting"] else None,
        outcome=ProvisioningOutcome.model_validate_json(row["outcome"]) if row["outcome"] else None,
    )
