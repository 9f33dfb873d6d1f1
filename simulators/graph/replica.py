"""How far behind the newest transaction an answer may be, for each type by itself."""

import random
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

TYPES = ("users", "groups", "assignments")


@dataclass(slots=True)
class Lag:
    """Behind by so many seconds of the simulated clock, or transactions, or standing still at an LSN."""

    seconds: float = 0.0
    transactions: int = 0
    frozen_at: int | None = None


@dataclass(slots=True)
class Backward:
    """With ``probability`` a listing or point read is answered by a replica that is ``transactions`` further behind."""

    probability: float = 0.0
    transactions: int = 1


class Replica:
    """What the answering replica has seen. Delta rounds never go backward: their window begins where the last one ended."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self.reset()

    def reset(self) -> None:
        """No lag at all."""
        self._lags = {name: Lag() for name in TYPES}
        self._backward = {name: Backward() for name in TYPES}
        self._random = random.Random(f"replica {self._sim.seed}")
        self.behind = False

    def visible(self, name: str) -> int:
        """The newest LSN of this type that is seen."""
        log, lag = self._sim.directory.log, self._lags[name]
        if lag.frozen_at is not None:
            return min(lag.frozen_at, log.lsn)
        seen = log.lsn - lag.transactions
        if lag.seconds:
            seen = min(seen, 1 + bisect_right(log.moments, self._sim.clock.now() - lag.seconds))
        return max(1, seen)

    def read(self, name: str) -> int:
        """The LSN that one listing or point read sees, which may be older than what an earlier one saw."""
        seen, back = self.visible(name), self._backward[name]
        if back.probability and self._random.random() < back.probability:
            seen -= back.transactions
        return max(1, seen)

    def set(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Set lags and backward reads from JSON; raises ``ValueError`` naming the field that is wrong.

        ``{"lag": {"users": {"seconds": 30} | {"transactions": 2} | {"frozen": true}},
        "backward": {"assignments": {"probability": 0.5, "transactions": 3}}}``; what is not named stays.
        """
        if stray := set(asked) - {"lag", "backward"}:
            raise ValueError(f"{min(stray)}: no such field")
        lags = {name: self._lag(name, value) for name, value in _entries(asked, "lag")}
        backward = {name: _backward(name, value) for name, value in _entries(asked, "backward")}
        self._lags |= lags
        self._backward |= backward
        self.behind = any(lag != Lag() for lag in self._lags.values()) or any(
            back.probability for back in self._backward.values()
        )
        return self.as_json()

    def as_json(self) -> dict[str, Any]:
        """The newest LSN, and the one that is seen of each type."""
        return {"lsn": self._sim.directory.log.lsn, "visible": {name: self.visible(name) for name in TYPES}}

    def _lag(self, name: str, value: dict[str, Any]) -> Lag:
        if len(value) > 1 or set(value) - {"seconds", "transactions", "frozen"}:
            raise ValueError(f"lag.{name}: must have one of seconds, transactions and frozen, or nothing")
        if value.get("frozen"):
            return Lag(frozen_at=self.visible(name))
        return Lag(
            seconds=_number(value.get("seconds", 0), f"lag.{name}.seconds"),
            transactions=int(_number(value.get("transactions", 0), f"lag.{name}.transactions")),
        )


def _backward(name: str, value: dict[str, Any]) -> Backward:
    if set(value) - {"probability", "transactions"}:
        raise ValueError(f"backward.{name}: must have probability and transactions")
    probability = _number(value.get("probability", 0), f"backward.{name}.probability")
    return Backward(probability, int(_number(value.get("transactions", 1), f"backward.{name}.transactions")))


def _entries(asked: dict[str, Any], field: str) -> list[tuple[str, dict[str, Any]]]:
    entries = asked.get(field, {})
    if not isinstance(entries, dict):
        raise ValueError(f"{field}: must be an object")
    for name, value in entries.items():
        if name not in TYPES or not isinstance(value, dict):
            raise ValueError(f"{field}.{name}: must be an object under one of {', '.join(TYPES)}")
    return list(entries.items())


def _number(value: Any, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{field}: must be a number that is not negative")
    return value
