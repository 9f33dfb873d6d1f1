"""A plan while it is made: counts of everything, and a bounded number of rows. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson

from services.diff.previews.planning import Planned, is_change, shown
from services.diff.removals.judging import judge
from shared.contracts.job import DeletionThreshold
from shared.contracts.message import ObjectType
from shared.contracts.preview import MOST_ROWS, PlannedAction, PlanRow, PlanTotals


@dataclass(slots=True, kw_only=True)
class Plan:
    """What was found out so far. ``rows`` holds at most ``MOST_ROWS`` of each action and kind of object, the first by their ids."""

    rows: list[PlanRow] = field(default_factory=list)
    looked_at: int = 0
    _counts: Counter[tuple[ObjectType, PlannedAction]] = field(default_factory=Counter)
    _attributes: Counter[str] = field(default_factory=Counter)
    _counted: int = 0
    _waiting: int = 0
    _errors: int = 0
    _in_flight: int = 0
    _digest: Any = field(default_factory=lambda: blake2b(digest_size=16))

    def add(self, planned: Planned) -> None:
        """Take one more object in."""
        row = planned.row
        key = row.object_type, row.action
        self.looked_at += 1
        self._counts[key] += 1
        self._waiting += planned.waits
        self._errors += planned.errors
        self._in_flight += planned.in_flight
        if not is_change(row):
            return
        self._counted += row.counted
        written = [(item.path, item.new) for item in row.attributes]
        self._attributes.update(path for path, _ in written)
        self._digest.update(orjson.dumps((row.object_type, row.object_id, row.action, row.counted, written)))
        if self._counts[key] <= MOST_ROWS:
            self.rows.append(shown(row))

    def totals(
        self, managed: int, threshold: DeletionThreshold, unread: dict[ObjectType, tuple[str, ...]]
    ) -> PlanTotals:
        """Return the plan in numbers. ``managed``: how many objects at the target are kept active by now."""
        verdict = judge(self._counted, managed, threshold)
        return PlanTotals(
            users=self._of(ObjectType.USER),
            groups=self._of(ObjectType.GROUP),
            attributes=dict(sorted(self._attributes.items())),
            removals=self._counted,
            managed=managed,
            held=self._counted if verdict is not None else 0,
            held_because=verdict.detail if verdict is not None else None,
            waiting=self._waiting,
            errors=self._errors,
            in_flight=self._in_flight,
            unread=unread,
        )

    def digest(self) -> str:
        """Return what two plans share only when they do the same to the same objects."""
        return str(self._digest.hexdigest())

    def _of(self, kind: ObjectType) -> dict[PlannedAction, int]:
        return {action: count for action in PlannedAction if (count := self._counts[kind, action])}
