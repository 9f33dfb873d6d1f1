"""One membership: that a user is to belong to a group at the target, and what is known of it there. Pure.

Nothing is ever read back from the target, where a group may have 20,000 members: what may be there is remembered here, with the id
under which the user was put there.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from services.diff.backoff import Backoff

AT_ONCE: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Need(StrEnum):
    """What is to be done about a membership."""

    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The state of one membership.

    ``wanted``: the user is a direct member of the group in the directory. ``target_id``: the user's account, nothing while there is none.
    ``held``: the account id that the group has, or may have, as a member; ``held_link`` the group's link at which it was put there;
    ``certain``: the target confirmed it. ``sent_generation``: the change of the group that is under way with it. ``not_before``: no attempt
    is made earlier.
    """

    job_id: str
    group_id: str
    user_id: str
    wanted: bool = False
    target_id: str | None = None
    held: str | None = None
    held_link: int = 0
    certain: bool = False
    sent_generation: int | None = None
    attempts: int = 0
    not_before: datetime = AT_ONCE

    @property
    def need(self) -> Need | None:
        """Return what is to be done, nothing while a change is under way or all is as it is to be.

        Who has no account keeps the place of the old one until there is another: nobody is taken out of a group for a lost link.
        """
        if self.sent_generation is not None:
            return None
        if self.held is not None and (not self.wanted or self.target_id not in {None, self.held}):
            return Need.REMOVE
        if self.wanted and self.target_id is not None and not (self.held == self.target_id and self.certain):
            return Need.ADD
        return None

    @property
    def over(self) -> bool:
        """Return whether nothing is to be remembered of it."""
        return not self.wanted and self.held is None and self.sent_generation is None

    @property
    def subject(self) -> str | None:
        """Return the account id that a change for the present need is about."""
        return self.held if self.need is Need.REMOVE else self.target_id


def concerning(membership: Membership, *, wanted: bool, target_id: str | None) -> Membership:
    """Return the membership as the user's own record has it now. What changed is tried at once."""
    if (membership.wanted, membership.target_id) == (wanted, target_id):
        return membership
    return replace(membership, wanted=wanted, target_id=target_id, attempts=0, not_before=AT_ONCE)


def sent(membership: Membership, *, generation: int, link_number: int) -> Membership:
    """Return the membership with its need on the way. From here on it may hold, whatever becomes of the change."""
    return replace(
        membership, held=membership.subject, held_link=link_number, certain=False, sent_generation=generation
    )


def carried_out(membership: Membership, need: Need) -> Membership:
    """Return the membership after the target did what was sent."""
    done = replace(membership, sent_generation=None, attempts=0, not_before=AT_ONCE)
    return replace(done, certain=True) if need is Need.ADD else replace(done, held=None, held_link=0, certain=False)


def unsettled(membership: Membership) -> Membership:
    """Return the membership after a change whose end nobody knows, or that was not carried out: it is asked for again."""
    return replace(membership, sent_generation=None)


def refused(membership: Membership, backoff: Backoff, at: datetime) -> Membership:
    """Return the membership after the target refused this one member: later, and ever more rarely. The others go on meanwhile."""
    attempts = membership.attempts + 1
    key = f"{membership.job_id}/{membership.group_id}/{membership.user_id}"
    # It never expires: each attempt is one member more in a change, or a small change of its own.
    retry = backoff.plan(key, attempts=attempts, escrows=membership.attempts, failing_since=at, at=at, passes=False)
    return replace(membership, sent_generation=None, attempts=attempts, not_before=retry.at or at + backoff.longest)


def of_new_link(membership: Membership) -> Membership:
    """Return the membership when the group at the target that held it is gone: nobody belongs to the next one yet."""
    return replace(membership, held=None, held_link=0, certain=False, attempts=0, not_before=AT_ONCE)
