"""A place in a pattern of a .NET regular expression, and the options that hold there."""

from dataclasses import dataclass, replace
from typing import Final

LONGEST_PATTERN: Final = 10_000
DEEPEST: Final = 40


class PatternError(ValueError):
    """The text is not a regular expression of .NET, or one that is not supported. ``position`` counts from 1."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message, position)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        return f"{self.message} (character {self.position} of the pattern)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """RegexOptions of .NET that a pattern can set itself."""

    ignore_case: bool = False
    multiline: bool = False
    explicit: bool = False
    dot_all: bool = False
    spaced: bool = False

    def changed(self, letters: str, *, on: bool) -> "Options":
        """Return the options with those of these letters on or off."""
        fields = {"i": "ignore_case", "m": "multiline", "n": "explicit", "s": "dot_all", "x": "spaced"}
        return replace(self, **{fields[letter]: on for letter in letters})


class Cursor:
    """A place in a pattern. Raises PatternError at its end when more is wanted."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > LONGEST_PATTERN:
            raise PatternError(
                f"the pattern has {len(pattern)} characters, {LONGEST_PATTERN} are allowed", LONGEST_PATTERN + 1
            )
        self.pattern = pattern
        self.at = 0
        self.depth = 0

    def enter(self) -> None:
        """Go one level deeper. Raises PatternError beyond DEEPEST."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.wrong(f"groups and classes are nested more than {DEEPEST} deep")

    def wrong(self, message: str, at: int | None = None) -> PatternError:
        """Return the error of this place, or of another one."""
        return PatternError(message, (self.at if at is None else at) + 1)

    def peek(self, length: int = 1) -> str:
        """Return what comes next, shorter at the end."""
        return self.pattern[self.at : self.at + length]

    def take(self) -> str:
        """Return the next character and go past it."""
        if self.at >= len(self.pattern):
            raise self.wrong("the pattern ends too early")
        self.at += 1
        return self.pattern[self.at - 1]
