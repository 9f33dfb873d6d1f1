"""Who has which matching value, and which account: two users of one job are never linked to one account (DuplicateSourceEntries)."""

from collections.abc import Iterable, Mapping

from services.diff.decision_table import claims_of
from services.diff.person import Person
from services.diff.rules import Rules
from services.diff.store import QUERIES, Key
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.runtime.database import Connection


async def claim(connection: Connection, persons: Iterable[Person], rules: Mapping[str, Rules]) -> frozenset[Key]:
    """Note the matching values of these persons, and forget those that they no longer have; return who has to do without.

    The first to come keeps a value, until the account is gone or the value changed. Jobs whose matching values are unique by nature cost
    nothing here.
    """
    wanted = {
        (person.job_id, person.object_id): claims_of(person, rules[person.job_id])
        for person in persons
        if rules[person.job_id].shared_values
    }
    if not wanted:
        return frozenset()
    rows = [(job_id, value, object_id) for (job_id, object_id), values in wanted.items() for value in values]
    jobs, values, objects = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    taken: set[Key] = set()
    if rows:
        await connection.execute(QUERIES.claim_values, jobs, values, objects)
        held = await connection.fetch(QUERIES.holders_of_claims, jobs, values)
        holders = {(row["job_id"], row["claim"]): row["object_id"] for row in held}
        taken = {(job_id, own) for job_id, value, own in rows if holders.get((job_id, value), own) != own}
    keys = sorted(wanted)
    await connection.execute(
        QUERIES.release_claims, [job for job, _ in keys], [own for _, own in keys], jobs, values
    )
    return frozenset(taken)


async def release(connection: Connection, keys: Iterable[Key]) -> None:
    """Forget every matching value of persons who have no account and get none."""
    gone = sorted(keys)
    if gone:
        await connection.execute(
            QUERIES.release_claims, [job for job, _ in gone], [own for _, own in gone], [], []
        )


async def holders_of_accounts(
    connection: Connection, outcomes: Iterable[ProvisioningOutcome]
) -> dict[tuple[str, str], str]:
    """Return by job and target id who has the accounts that these outcomes found at the target."""
    found = {(item.job_id, item.target_id) for item in outcomes if item.result is Result.ADOPTED and item.target_id}
    if not found:
        return {}
    ordered = sorted(found)
    rows = await connection.fetch(QUERIES.holders_of_accounts, [job for job, _ in ordered], [id_ for _, id_ in ordered])
    return {(row["job_id"], row["target_id"]): row["object_id"] for row in rows}
