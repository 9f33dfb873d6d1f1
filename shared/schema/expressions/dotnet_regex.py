"""Regular expressions in the .NET dialect, with an end: every search has a time limit, every result a size.

The engine is the ``regex`` package; ``regex_translation`` brings patterns into its dialect.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import regex

from shared.schema.expressions.regex_cursor import PatternError
from shared.schema.expressions.regex_translation import Translation, translate
from shared.schema.expressions.utf16 import from_units, to_units

__all__ = ["Pattern", "PatternError", "PatternTimeoutError", "ResultTooLongError", "compile_pattern"]

TIME_LIMIT_SECONDS: Final = 0.25
LONGEST_SUBJECT: Final = 65_536
_REFERENCE: Final = regex.compile(r"\$(?:(\d+)|\{(\w+)\}|([$&`'_+]))")


class PatternTimeoutError(TimeoutError):
    """A pattern did not come to an end in time; make it simpler, for example without a quantifier inside a quantified group."""


class ResultTooLongError(ValueError):
    """A replacement would be longer than allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A compiled pattern. Its methods raise PatternTimeoutError, and ValueError for a subject longer than LONGEST_SUBJECT."""

    text: str
    _translation: Translation = field(repr=False)
    _engine: "regex.Pattern[str]" = field(repr=False, compare=False)
    _after_empty: "regex.Pattern[str]" = field(repr=False, compare=False)

    def search(self, text: str) -> bool:
        """Tell whether the pattern matches anywhere (``Regex.IsMatch``)."""
        return next(self._matches(to_units(text)), None) is not None

    def has_group(self, name: str) -> bool:
        """Tell whether the pattern has a group of this name or number."""
        return name in self._translation.names or name == "0"

    def group(self, text: str, name: str) -> str | None:
        """Return what a group holds in the first match; None without a match, or when the group takes no part in it."""
        found = next(self._matches(to_units(text)), None)
        if found is None:
            return None
        held = found.group(self._group(name))
        return None if held is None else from_units(held)

    def replace(self, text: str, replacement: str, longest: int = LONGEST_SUBJECT) -> str:
        """Return the text with each match replaced (``Regex.Replace``). Raises ResultTooLongError."""
        units = to_units(text)
        parts = self._parts(to_units(replacement))

        def made(found: Any) -> str:
            return "".join(part if isinstance(part, str) else part(found) for part in parts)

        return self._rebuilt(units, ((found.span(), made(found)) for found in self._matches(units)), longest)

    def replace_group(self, text: str, name: str, replacement: str, longest: int = LONGEST_SUBJECT) -> str:
        """Return the text with what a group holds replaced in each match; the replacement is literal. Raises ResultTooLongError."""
        units, group = to_units(text), self._group(name)
        literal = to_units(replacement)
        spans = ((found.span(group), literal) for found in self._matches(units) if found.span(group)[0] >= 0)
        return self._rebuilt(units, spans, longest)

    def _group(self, name: str) -> str | int:
        return 0 if name == "0" else f"g{self._translation.names[name]}"

    def _matches(self, units: str) -> "Iterator[regex.Match[str]]":
        if len(units) > LONGEST_SUBJECT:
            raise ValueError(f"the text is longer than {LONGEST_SUBJECT} characters")
        until = time.monotonic() + TIME_LIMIT_SECONDS
        at, engine = 0, self._engine
        try:
            while at <= len(units):
                found = engine.search(units, at, timeout=max(until - time.monotonic(), 0.001))
                if found is None:
                    return
                yield found
                # After an empty match .NET goes on one unit later, where \G no longer holds.
                empty = found.end() == found.start()
                at, engine = found.end() + empty, self._after_empty if empty else self._engine
                if time.monotonic() > until:
                    raise TimeoutError
        except (TimeoutError, MemoryError):
            raise PatternTimeoutError("a regular expression did not come to an end in time; make it simpler") from None

    @staticmethod
    def _rebuilt(units: str, pieces: "Iterator[tuple[tuple[int, int], str]]", longest: int) -> str:
        made: list[str] = []
        at = length = 0
        for (start, end), new in pieces:
            if start < at:
                continue
            made += (units[at:start], new)
            length += start - at + len(new)
            at = end
            if length > longest:
                raise ResultTooLongError(f"the result would be longer than {longest} characters")
        if length + len(units) - at > longest:
            raise ResultTooLongError(f"the result would be longer than {longest} characters")
        return from_units("".join([*made, units[at:]]))

    def _parts(self, replacement: str) -> list[str | Callable[[Any], str]]:
        parts: list[str | Callable[[Any], str]] = []
        at = 0
        for found in _REFERENCE.finditer(replacement):
            part = self._part(found)
            if part is not None:
                parts += (replacement[at : found.start()], part)
                at = found.end()
        parts.append(replacement[at:])
        return parts

    def _part(self, found: Any) -> str | Callable[[Any], str] | None:
        """Return what a reference in a replacement stands for; None when it names no group, and so means itself."""
        name = found[1] or found[2]
        if name is None:
            return _special(found[3], max(self._translation.numbers))
        number = (
            int(name) if name.isascii() and name.isdigit() and len(name) < 10 else self._translation.names.get(name)
        )
        if number not in self._translation.numbers:
            return None
        group: str | int = f"g{number}" if number else 0
        return lambda match: match.group(group) or ""


def _special(mark: str, last: int) -> str | Callable[[Any], str]:
    group: str | int = f"g{last}" if last else 0
    made: dict[str, str | Callable[[Any], str]] = {
        "$": "$",
        "&": lambda match: str(match.group()),
        "`": lambda match: str(match.string[: match.start()]),
        "'": lambda match: str(match.string[match.end() :]),
        "_": lambda match: str(match.string),
        "+": lambda match: match.group(group) or "",
    }
    return made[mark]


@lru_cache(maxsize=128)
def compile_pattern(pattern: str) -> Pattern:
    """Return a compiled pattern of the .NET dialect. Raises PatternError."""
    translation = translate(to_units(pattern))
    try:
        engine = regex.compile(translation.source)
        after_empty = regex.compile(translation.source.replace(r"\G", "(?!)"))
    except (regex.error, RecursionError, OverflowError) as error:
        raise PatternError("the pattern is not supported", (getattr(error, "pos", None) or 0) + 1) from None
    return Pattern(text=pattern, _translation=translation, _engine=engine, _after_empty=after_empty)
