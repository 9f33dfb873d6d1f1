"""Whose a matching value would be under other rules, batch by batch as a pass over everybody gives them out. Pure.

The tables ``matching_value`` and ``group_name`` are written by such a pass; a plan writes nothing, so it keeps the differences in memory.
"""

from collections.abc import Collection, Iterable, Mapping


class Claims:
    """The differences between what is stored and what would be: who has a value by now, or that nobody has it any more."""

    def __init__(self) -> None:
        self._owner: dict[str, str | None] = {}
        self._claimed: dict[str, set[str]] = {}

    def settle(
        self, wanted: Mapping[str, Iterable[str]], stored: Mapping[str, str], held: Mapping[str, Collection[str]]
    ) -> frozenset[str]:
        """Give out the values that the objects of one batch want, in their order; return which have to do without.

        ``wanted``: values by object id. ``stored``: the stored owners of these values. ``held``: the values that are stored for the objects
        of the batch, by object id. The first to come keeps a value; what an object had, and nobody of the batch wants, is free afterwards.
        """
        rows = [(value, own) for own, values in wanted.items() for value in values]
        for value, own in rows:
            if self._owner_of(value, stored) is None:
                self._owner[value] = own
                self._claimed.setdefault(own, set()).add(value)
        taken = frozenset(own for value, own in rows if self._owner_of(value, stored) != own)
        self._free(wanted, held, kept={value for value, _ in rows})
        return taken

    def forget(self, objects: Collection[str], held: Mapping[str, Collection[str]]) -> None:
        """Free every value of objects that have nothing at the target and get nothing."""
        self._free(objects, held, kept=frozenset())

    def _owner_of(self, value: str, stored: Mapping[str, str]) -> str | None:
        return self._owner[value] if value in self._owner else stored.get(value)

    def _free(self, objects: Iterable[str], held: Mapping[str, Collection[str]], *, kept: Collection[str]) -> None:
        for own in objects:
            for value in {*held.get(own, ()), *self._claimed.get(own, ())}:
                if value not in kept and self._owner.get(value, own) == own:
                    self._owner[value] = None
                    self._claimed.get(own, set()).discard(value)
