"""Character classes of .NET regular expressions, as sets of the regex engine."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from shared.schema.expressions import casing

WORD: Final = r"\p{L}\p{Mn}\p{Nd}\p{Pc}"
SPACE: Final = r"\p{White_Space}"
DIGIT: Final = r"\p{Nd}"
CATEGORIES: Final = frozenset(
    [
        "C",
        "Cc",
        "Cf",
        "Cn",
        "Co",
        "Cs",
        "L",
        "Ll",
        "Lm",
        "Lo",
        "Lt",
        "Lu",
        "M",
        "Mc",
        "Me",
        "Mn",
        "N",
        "Nd",
        "Nl",
        "No",
        "P",
        "Pc",
        "Pd",
        "Pe",
        "Po",
        "Ps",
        "Pf",
        "Pi",
        "S",
        "Sc",
        "Sk",
        "Sm",
        "So",
        "Z",
        "Zl",
        "Zp",
        "Zs",
    ]
)
_LAST_UNIT: Final = 0xFFFF


def unit(code: int) -> str:
    """Return a code unit as the engine reads it, whatever it means elsewhere."""
    return f"\\u{code:04x}"


@cache
def _by_lower() -> dict[int, tuple[int, ...]]:
    """Return, for each lower-case unit, the units that become it in lower case; only where there are several."""
    found: dict[int, list[int]] = defaultdict(list)
    for code in range(_LAST_UNIT + 1):
        found[ord(casing.lower(chr(code)))].append(code)
    return {lower: tuple(codes) for lower, codes in found.items() if len(codes) > 1}


def same_when_lowered(code: int) -> tuple[int, ...]:
    """Return the units that are this one when case is ignored: .NET lowers both sides by the invariant rules."""
    lowered = ord(casing.lower(chr(code)))
    return _by_lower().get(lowered, (lowered,))


@dataclass(slots=True)
class CharacterClass:
    """A class while it is read: ranges of units, properties as the engine writes them, and what is taken away."""

    negated: bool = False
    ranges: list[tuple[int, int]] = field(default_factory=list)
    properties: list[str] = field(default_factory=list)
    subtracted: str = ""

    def width(self) -> int:
        """Return how many units the ranges hold."""
        return sum(last - first + 1 for first, last in _merged(self.ranges))

    def render(self, *, ignore_case: bool) -> str:
        """Return the set in the engine's syntax."""
        ranges = _merged(self.ranges)
        if ignore_case:
            ranges = _merged(
                [
                    (same, same)
                    for first, last in ranges
                    for code in range(first, last + 1)
                    for same in same_when_lowered(code)
                ]
            )
        body = "".join(unit(first) if first == last else f"{unit(first)}-{unit(last)}" for first, last in ranges)
        body += "".join(self.properties)
        kept = f"[{'^' if self.negated else ''}{body}]"
        return f"[{kept}--{self.subtracted}]" if self.subtracted else kept


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged
