"""Who has which matching value, and which account: two users of one job are never linked to one account (DuplicateSourceEntries)."""

from collections.abc import Iterable, Mapping

from services.diff.decision_table import digests_of
from services.diff.person import Person
from services.diff.rules import Rules
from services.diff.store import QUERIES, Key
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.message import Message
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.runtime.database import Connection
from shared.runtime.queries import Queries


async def note(connection: Connection, persons: Iterable[Person], rules: Mapping[str, Rules]) -> frozenset[Key]:
    """Note the matching values of these persons, and forget those that they no longer have; return who has to do without.

    Jobs whose matching values are unique by nature cost nothing here.
    """
    wanted = {
        (person.job_id, person.object_id): digests_of(person, rules[person.job_id])
        for person in persons
        if rules[person.job_id].shared_values
    }
    return await hold(connection, QUERIES, wanted)


def keeps(person: Person, assignment: DirectoryAssignment) -> bool:
    """Return whether ``assignment`` leaves a person the matching values that are noted, and whether others have them is no matter.

    That holds for whoever is linked, since nobody linked is matched, when nothing that a mapping reads is new. Other rules are another
    matter: everybody is decided about anew by them.
    """
    known = person.assignment
    return (
        person.account is not None
        and person.entered
        and known.attributes == assignment.attributes
        and known.lifecycle is assignment.lifecycle
        and known.assigned is assignment.assigned
        and known.roles == assignment.roles
    )


async def hold(connection: Connection, queries: Queries, wanted: Mapping[Key, frozenset[str]]) -> frozenset[Key]:
    """Let objects have the matching values that they want, and no others; return the keys of those that want one which another has.

    The first to come keeps a value, until what it stands for at the target is gone or the value changed. ``queries`` has the statements
    ``note_values``, ``owners_of_values`` and ``forget_values`` of the table in question.
    """
    if not wanted:
        return frozenset()
    rows = [(job_id, value, object_id) for (job_id, object_id), values in wanted.items() for value in sorted(values)]
    jobs, values, objects = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    taken: set[Key] = set()
    if rows:
        await connection.execute(queries.note_values, jobs, values, objects)
        held = await connection.fetch(queries.owners_of_values, jobs, values)
        owners = {(row["job_id"], row["digest"]): row["object_id"] for row in held}
        taken = {(job_id, own) for job_id, value, own in rows if owners.get((job_id, value), own) != own}
    keys = sorted(wanted)
    await connection.execute(queries.forget_values, [job for job, _ in keys], [own for _, own in keys], jobs, values)
    return frozenset(taken)


async def forget(connection: Connection, keys: Iterable[Key]) -> None:
    """Forget every matching value of persons who have no account and get none."""
    gone = sorted(keys)
    if gone:
        await connection.execute(QUERIES.forget_values, [job for job, _ in gone], [own for _, own in gone], [], [])


class Owners:
    """Who has the accounts that the outcomes of one batch found at the target."""

    def __init__(self) -> None:
        self._by_account: dict[tuple[str, str], str] = {}

    async def read(self, connection: Connection, messages: Iterable[Message]) -> None:
        """Look up whoever is linked to the accounts that were found; one statement, and none when nothing was found."""
        found = sorted({account for message in messages if (account := _found(message)) is not None})
        if found:
            jobs, accounts = [job for job, _ in found], [account for _, account in found]
            for row in await connection.fetch(QUERIES.owners_of_accounts, jobs, accounts):
                self._by_account[row["job_id"], row["target_id"]] = row["object_id"]

    def another(self, message: Message) -> bool:
        """Return whether somebody else has the account that this message says was found; otherwise it is noted as the object's own."""
        account = _found(message)
        return account is not None and self._by_account.setdefault(account, message.object_id) != message.object_id


def _found(message: Message) -> tuple[str, str] | None:
    if not isinstance(message, ProvisioningOutcome) or message.result is not Result.ADOPTED or not message.target_id:
        return None
    return message.job_id, message.target_id
