"""The source guard: whether removals of one cycle may be said, or are held until somebody approves them. Values in, values out."""

from dataclasses import dataclass
from typing import Final

from shared.contracts.source import HoldReason

COUNT: Final = 50
PERCENT: Final = 10
"""More removals in one cycle than the greater of the two (a number, and per cent of those who are assigned) are held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why removals are held, and one sentence that says what happened and what to do."""

    reason: HoldReason
    detail: str


def judge(
    removals: int, active: int, *, listing_empty: bool, resynced: bool, count: int, percent: int
) -> Verdict | None:
    """Return why ``removals`` users and groups must not be said to have left, or nothing when they may be.

    ``active`` is how many were assigned before. ``listing_empty``: the listing of assignments came without a single row. ``resynced``: the
    cycle applies a full read that took the place of a dead link.
    """
    if removals <= 0:
        return None
    said = f"{removals} of {active} assigned users and groups would be removed"
    decide = "Look at the directory, then approve the hold or reject it"
    if listing_empty:
        return Verdict(
            reason=HoldReason.EMPTY_LISTING,
            detail=f"{said} because the source listed no assignment at all. {decide}.",
        )
    if resynced:
        return Verdict(
            reason=HoldReason.RESYNC,
            detail=f"{said} by what a full read shows after the link to the changes died. {decide}.",
        )
    if removals > max(count, active * percent / 100):
        return Verdict(
            reason=HoldReason.TOO_MANY,
            detail=f"{said} in one cycle, more than {count} and more than {percent} per cent. {decide}.",
        )
    return None
