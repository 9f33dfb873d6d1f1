"""Faults of the mail sink: refusals at each stage of a session, a connection lost after the data, a stall."""

import itertools
from dataclasses import dataclass
from typing import Any, Final

STAGES: Final = ("connect", "mail", "rcpt", "data")
_FIELDS: Final[dict[str, frozenset[str]]] = {
    "reject": frozenset({"kind", "stage", "code", "times", "recipientContains"}),
    "dropAfterData": frozenset({"kind", "times"}),
    "stall": frozenset({"kind", "seconds", "stage", "times"}),
}


class FaultError(ValueError):
    """A fault that cannot be; `field` names what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """One fault in force; `times` counts down, None is for ever."""

    id: str
    kind: str
    stage: str
    code: int = 451
    seconds: float = 0.0
    recipient_contains: str = ""
    times: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The fault as `GET /_sim/faults` shows it."""
        shown: dict[str, Any] = {"id": self.id, "kind": self.kind, "stage": self.stage, "times": self.times}
        if self.kind == "reject":
            shown["code"] = self.code
        if self.kind == "stall":
            shown["seconds"] = self.seconds
        if self.recipient_contains:
            shown["recipientContains"] = self.recipient_contains
        return shown


class Faults:
    """The faults in force, in order of creation."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._number = itertools.count(1)

    @property
    def all(self) -> list[Fault]:
        """Every fault that is not used up."""
        return list(self._faults.values())

    def add(self, content: object) -> Fault:
        """Put a fault in force from the body of `POST /_sim/faults`; FaultError names the field that is wrong."""
        if not isinstance(content, dict):
            raise FaultError("body", "Must be a JSON object.")
        kind = content.get("kind")
        if not isinstance(kind, str) or kind not in _FIELDS:
            raise FaultError("kind", f"Must be one of {', '.join(_FIELDS)}.")
        for name in content:
            if name not in _FIELDS[kind]:
                raise FaultError(
                    str(name), f"There is no field of this name here; there are {', '.join(sorted(_FIELDS[kind]))}."
                )
        stage = content.get("stage", None if kind == "reject" else "data")
        if stage not in STAGES:
            raise FaultError("stage", f"Must be one of {', '.join(STAGES)}.")
        part = content.get("recipientContains", "")
        if not isinstance(part, str) or (part and stage != "rcpt"):
            raise FaultError("recipientContains", "Must be a string, and goes with the stage rcpt.")
        fault = Fault(
            id=f"fault-{next(self._number)}",
            kind=kind,
            stage=stage,
            code=int(_number(content, "code", 451, 400, 599)),
            seconds=_number(content, "seconds", None if kind == "stall" else 0, 0, 3600),
            recipient_contains=part,
            times=int(_number(content, "times", 1, 1, 1_000_000)) if content.get("times") is not None else None,
        )
        self._faults[fault.id] = fault
        return fault

    def remove(self, fault_id: str) -> bool:
        """Lift one fault; False when it is not there."""
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Lift every fault."""
        self._faults.clear()

    def take(self, kind: str, stage: str, recipient: str = "") -> Fault | None:
        """The first fault of `kind` at `stage`, with one of its times used up."""
        for fault in self._faults.values():
            if (fault.kind, fault.stage) == (
                kind,
                stage,
            ) and fault.recipient_contains.casefold() in recipient.casefold():
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        del self._faults[fault.id]
                return fault
        return None


def _number(content: dict[str, Any], field: str, default: float | None, least: float, most: float) -> float:
    value = content.get(field, default)
    whole = field != "seconds"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not least <= value <= most:
        raise FaultError(field, f"Must be a {'whole ' if whole else ''}number from {least:g} to {most:g}.")
    return value
