"""Where a user stands, from what every service said about them.

A person is made of facets, one for each kind of message. Each facet keeps the newest message of its kind by an order that the
messages carry, so the result is the same whatever the order of arrival and however often a message comes: joining facets is
commutative, associative and idempotent. The status is a function of the facets alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Change, Command, LicenseDecision, Operation
from shared.contracts.links import LinkFact
from shared.contracts.outcomes import LicenseFact, LicenseState, ProvisioningOutcome, Result
from shared.contracts.public import UserStatus


class _Ordered(Protocol):
    @property
    def order(self) -> tuple[Any, ...]: ...


F = TypeVar("F", bound=_Ordered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """What the directory says: the newest version of the assignment."""

    sequence: int
    assigned: bool
    user_principal_name: str | None
    display_name: str | None

    @property
    def order(self) -> tuple[int]:
        """Return the version by which the newest is told."""
        return (self.sequence,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What diff wants: the newest change, known from the change itself or from its command."""

    generation: int
    operation: str
    active: bool

    @property
    def order(self) -> tuple[int, str, bool]:
        """Return generation first; change and command of one generation say the same."""
        return (self.generation, self.operation, self.active)


@dataclass(frozen=True, slots=True, kw_only=True)
class Licensed:
    """Where the user stands in the license ledger."""

    sequence: int
    generation: int
    state: str
    ticket: int
    reason: str
    at: datetime

    @property
    def order(self) -> tuple[int]:
        """Return the counter of the user's row in the ledger."""
        return (self.sequence,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """The newest ticket with which a command went out: a license reserved at once is told by the command alone."""

    generation: int
    ticket: int

    @property
    def order(self) -> tuple[int, int]:
        """Return the ticket, tickets of a pool rise; of the commands with one ticket the first is kept."""
        return (self.ticket, -self.generation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of the newest change that an outcome is known of."""

    generation: int
    result: str
    sequence: int
    at: datetime
    operation: str
    active: bool
    reason: str
    code: str | None
    attempt: int
    retry_at: datetime | None

    @property
    def order(self) -> tuple[int, int, int, datetime]:
        """Return generation, then finality within it."""
        return (self.generation, FINALITY[self.result], self.sequence, self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The account at the target, as the newest outcome that named one has it."""

    generation: int
    target_id: str

    @property
    def order(self) -> tuple[int, str]:
        """Return the generation of the outcome that named the account."""
        return (self.generation, self.target_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One user of one job, as far as messages about them have arrived."""

    assigned: Assigned | None = None
    wanted: Wanted | None = None
    license: Licensed | None = None
    reserved: Reservation | None = None
    written: Written | None = None
    link: Link | None = None

    def joined(
        self,
        *,
        assigned: Assigned | None = None,
        wanted: Wanted | None = None,
        license_: Licensed | None = None,
        reserved: Reservation | None = None,
        written: Written | None = None,
        link: Link | None = None,
    ) -> "Person":
        """Return the person with these facets in place of what was known (a third of the time of ``dataclasses.replace``)."""
        return Person(
            assigned=assigned or self.assigned,
            wanted=wanted or self.wanted,
            license=license_ or self.license,
            reserved=reserved or self.reserved,
            written=written or self.written,
            link=link or self.link,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The status of a user, why, and the failure code where there is one."""

    status: UserStatus
    reason: str
    code: str | None = None


# Within one generation: what the target did outlasts everything, but diff says "skipped" only once that generation has come to its end.
FINALITY: Final[Mapping[str, int]] = {
    Result.SUPERSEDED: 0,
    Result.STOP: 1,
    Result.RETRY_LATER: 2,
    Result.FAILED: 3,
    Result.WITHDRAWN: 4,
    Result.ADOPTED: 5,
    Result.DONE: 6,
    Result.SKIPPED: 7,
}
PATIENCE_ATTEMPTS: Final = 5
"""From this attempt on, who is to be tried again later counts as failed; diff's default."""
_SUCCESSES: Final = frozenset({Result.DONE, Result.ADOPTED})
_HELD: Final = frozenset({LicenseDecision.RESERVED, LicenseDecision.HELD})


def with_assignment(person: Person, message: DirectoryAssignment) -> Person:
    """Return the person after the directory said something; the same object when it was known or is older."""
    known = person.assigned
    if known is not None and known.sequence >= message.sequence:
        return person
    attributes = message.attributes
    assigned = Assigned(
        sequence=message.sequence,
        assigned=message.assigned,
        user_principal_name=_text(attributes.get("userPrincipalName")),
        display_name=_text(attributes.get("displayName")),
    )
    return person.joined(assigned=assigned)


def with_change(person: Person, message: Change) -> Person:
    """Return the person after a change, or the command made of it; the same object when it was known or is older."""
    known = person.wanted
    if known is not None and known.generation > message.generation:
        return person
    arrived = Wanted(generation=message.generation, operation=message.operation, active=message.needs_license)
    newest = _newer(known, arrived)
    return person if newest is known else person.joined(wanted=newest)


def with_command(person: Person, message: Command) -> Person:
    """Return the person after a command; the same object when it was known or is older."""
    person = with_change(person, message)
    license_ = message.license
    if license_.ticket is None or license_.decision not in _HELD:
        return person
    newest = _newer(person.reserved, Reservation(generation=message.generation, ticket=license_.ticket))
    return person if newest is person.reserved else person.joined(reserved=newest)


def with_license(person: Person, message: LicenseFact) -> Person:
    """Return the person after a license moved; the same object when it was known or is older."""
    known = person.license
    if known is not None and known.sequence >= message.sequence:
        return person
    license_ = Licensed(
        sequence=message.sequence,
        generation=message.generation,
        state=message.state,
        ticket=message.ticket,
        reason=message.reason,
        at=message.at,
    )
    return person.joined(license_=license_)


def with_outcome(person: Person, message: ProvisioningOutcome) -> Person:
    """Return the person after an outcome; the same object when it was known or is older."""
    known = person.written
    written = _newer(
        known,
        Written(
            generation=message.generation,
            result=message.result,
            sequence=message.sequence,
            at=message.at,
            operation=message.operation,
            active=_active_after(message),
            reason=message.reason or "; ".join(message.reasons),
            code=message.failure.code if message.failure else None,
            attempt=message.attempt,
            retry_at=message.retry_at,
        ),
    )
    link = person.link
    if message.target_id:
        link = _newer(link, Link(generation=message.generation, target_id=message.target_id))
    if written is known and link is person.link:
        return person
    return person.joined(written=written, link=link)


def with_link(person: Person, message: LinkFact) -> Person:
    """Return the person after a link was deleted or repaired; the same object when it was known or is older. An empty id is no link."""
    newest = _newer(person.link, Link(generation=message.generation, target_id=message.target_id or ""))
    return person if newest is person.link else person.joined(link=newest)


def license_of(person: Person) -> tuple[LicenseState, int] | None:
    """Return where the user stands in the license ledger, and with which ticket: from facts, commands and outcomes together.

    A license is reserved by a command and granted by its success; only the other steps are told by facts.
    """
    fact, reserved, written = person.license, person.reserved, person.written
    if reserved is not None and (
        fact is None
        or fact.ticket < reserved.ticket
        or (fact.ticket == reserved.ticket and fact.state == LicenseState.WAITING)
    ):
        state, ticket, since = LicenseState.RESERVED, reserved.ticket, reserved.generation
    elif fact is not None:
        state, ticket, since = LicenseState(fact.state), fact.ticket, fact.generation
    else:
        return None
    success = written is not None and written.result in _SUCCESSES and written.active and written.generation >= since
    if state is LicenseState.RESERVED and success:
        return LicenseState.GRANTED, ticket
    return state, ticket


def standing(person: Person) -> Standing:
    """Return where the user stands: the newest generation wins, and within it what is final."""
    written, license_, wanted = person.written, person.license, person.wanted
    newest = max(
        wanted.generation if wanted else 0,
        written.generation if written else 0,
        license_.generation if license_ else 0,
    )
    if written is not None and written.generation == newest and (ended := _ended(written)):
        return Standing(status=ended, reason=written.reason, code=written.code)
    held = license_of(person)
    if held and held[0] is LicenseState.WAITING and license_ and (wanted is None or wanted.active):
        return Standing(status=UserStatus.WAITING, reason=license_.reason)
    if newest:
        return Standing(status=UserStatus.PENDING, reason="on its way to the target")
    if person.assigned is not None and not person.assigned.assigned:
        return Standing(status=UserStatus.SKIPPED, reason="not assigned")
    return Standing(status=UserStatus.PENDING, reason="found in the directory, not decided yet")


def _ended(written: Written) -> UserStatus | None:
    """Return the status in which a change ended, or nothing while it goes on."""
    if written.result in _SUCCESSES:
        return UserStatus.PROVISIONED if written.active else UserStatus.DISABLED
    if written.result in (Result.SKIPPED, Result.WITHDRAWN):
        return UserStatus.SKIPPED
    gave_up = written.result == Result.RETRY_LATER and written.attempt >= PATIENCE_ATTEMPTS
    return UserStatus.FAILED if written.result == Result.FAILED or gave_up else None


def _newer(known: F | None, arrived: F) -> F:
    return arrived if known is None or arrived.order > known.order else known


def _active_after(outcome: ProvisioningOutcome) -> bool:
    if outcome.resource is not None and isinstance(active := outcome.resource.get("active"), bool):
        return active
    return outcome.operation not in (Operation.DISABLE, Operation.DELETE)


def _text(value: Any) -> str | None:
    """Return a directory value as text that PostgreSQL can hold."""
    return value.replace("\x00", "") if isinstance(value, str) else None
