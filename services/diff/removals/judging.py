"""Whether the removals of one cycle go out, or are held until somebody approves them. Values in, values out.

Microsoft Entra, "Prevent accidental deletions": what is above the threshold needs approval; what is at the threshold goes out.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.contracts.job import DeletionThreshold
from shared.contracts.source import HoldReason


class CycleState(StrEnum):
    """Where the removals of a cycle stand. ``open``: its marks have not all arrived."""

    OPEN = "open"
    PASSED = "passed"
    HELD = "held"
    APPROVED = "approved"
    REJECTED = "rejected"
    DROPPED = "dropped"


LETS_OUT: Final = frozenset({CycleState.PASSED, CycleState.APPROVED, CycleState.DROPPED})
"""States in which a removal that joins late goes out as the others did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why removals are held, and in one or two sentences what happened and what to do."""

    reason: HoldReason
    detail: str


def limit(managed: int, threshold: DeletionThreshold) -> float:
    """Return how many removals of one cycle go out unasked: the greater of the number and of per cent of the managed objects."""
    return max(threshold.count, managed * threshold.percent / 100)


def judge(removals: int, managed: int, threshold: DeletionThreshold) -> Verdict | None:
    """Return why ``removals`` objects must not be disabled or deleted yet, or nothing when they may be.

    ``managed``: accounts and groups at the target that are kept active, those that are to be removed among them.
    """
    if removals <= limit(managed, threshold):
        return None
    return Verdict(
        reason=HoldReason.DELETION_THRESHOLD,
        detail=f"{removals} of {managed} managed objects would be disabled or deleted by one cycle, more than {threshold.count} and more "
        f"than {threshold.percent} per cent. Look at who they are, then approve the hold or reject it.",
    )


def unfinished(removals: int, managed: int, minutes: int) -> Verdict:
    """Return the verdict on removals whose cycle has not come to an end for ``minutes``."""
    return Verdict(
        reason=HoldReason.CYCLE_NOT_CLOSED,
        detail=f"{removals} of {managed} managed objects wait for the end of their cycle, which has not come for {minutes} minutes. They "
        "are judged when it comes, or at the end of the next cycle. See that the assignment-watcher runs; or approve or reject the hold.",
    )


def decided(state: CycleState, wanted: CycleState) -> bool:
    """Return whether an operator can still make ``wanted`` of a hold: only what was rejected can be approved after all."""
    return state is CycleState.HELD or (state is CycleState.REJECTED and wanted is CycleState.APPROVED)
