"""What becomes of commands that arrive for one object: the newest generation wins. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a row of work stands: waiting, claimed (a request may be under way), or settled (an outcome was given)."""

    READY = "ready"
    IN_FLIGHT = "in_flight"
    SETTLED = "settled"


class Place(StrEnum):
    """Where the newest command goes: a new row, in the place of the one in the row, or behind the one in flight."""

    NEW = "new"
    CURRENT = "current"
    NEXT = "next"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the row of an object holds."""

    state: State
    generation: int
    next_generation: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``taken`` goes to ``place`` (nothing is taken when ``place`` is None); each of ``superseded`` gets that outcome."""

    place: Place | None
    taken: int | None
    superseded: tuple[int, ...]


def decide(stored: Stored | None, arrived: Sequence[int]) -> Decision:
    """Return what becomes of the generations that arrived for one object, in any order, beside what is stored.

    A generation that is stored already is a repeat and is passed over; an older one is superseded, and so is a stored one that was not
    executed and that a newer one replaces.
    """
    known = {stored.generation, stored.next_generation or 0} if stored is not None else set()
    fresh = sorted(set(arrived) - known)
    if not fresh:
        return Decision(place=None, taken=None, superseded=())
    if stored is None:
        return Decision(place=Place.NEW, taken=fresh[-1], superseded=tuple(fresh[:-1]))
    if fresh[-1] < max(known):
        return Decision(place=None, taken=None, superseded=tuple(fresh))
    older = fresh[:-1]
    if stored.state is State.READY:
        older.append(stored.generation)
    elif stored.state is State.IN_FLIGHT and stored.next_generation is not None:
        older.append(stored.next_generation)
    place = Place.NEXT if stored.state is State.IN_FLIGHT else Place.CURRENT
    return Decision(place=place, taken=fresh[-1], superseded=tuple(sorted(older)))
