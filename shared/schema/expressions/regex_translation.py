"""From the .NET dialect of regular expressions to that of the regex engine (".NET regular expression language - Quick reference").

Options are resolved here: the engine only sees patterns whose meaning no flag changes. Groups get the numbers that .NET gives them, unnamed
ones before named ones, and are called ``g1``, ``g2`` and so on.
"""

import re
from dataclasses import dataclass
from typing import Final

from shared.schema.expressions.regex_cursor import Options
from shared.schema.expressions.regex_groups import Groups

HEAVIEST: Final = 100_000
_QUANTIFIER: Final = re.compile(r"\{(\d{1,9})(,(\d{0,9}))?\}")
_BLANKS: Final = frozenset(" \t\n\r\f\v")


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A pattern in the engine's dialect, and the .NET numbers of its groups: all of them, and by name."""

    source: str
    numbers: frozenset[int]
    names: dict[str, int]


def translate(pattern: str) -> Translation:
    """Return the translation. Raises PatternError."""
    first = _Translator(pattern, None, {})
    first.whole()
    numbers, names = first.slots()
    second = _Translator(pattern, numbers, names)
    return Translation(source="(?V1)" + second.whole(), numbers=numbers | {0}, names=names)


class _Translator(Groups):
    """One pass over a pattern. The first pass finds the groups, the second one knows them."""

    def whole(self) -> str:
        made, _ = self.alternatives(Options())
        if self.at < len(self.pattern):
            raise self.wrong("a closing parenthesis without an opening one")
        return made

    def alternatives(self, options: Options) -> tuple[str, int]:
        """Read to the closing parenthesis or the end; return the translation and its weight."""
        self.enter()
        parts: list[str] = []
        total = 1
        while True:
            self._blanks(options)
            character = self.peek()
            if character in {"", ")"}:
                break
            if character == "|":
                self.at += 1
                parts.append("|")
                continue
            if changed := self.inline(options):
                options = changed
                continue
            start = self.at
            atom, weight = self._atom(options)
            atom, weight = self._quantified(atom, weight, options, start)
            total += weight
            if total > HEAVIEST:
                raise self.wrong("the pattern repeats too much", start)
            parts.append(atom)
        self.depth -= 1
        return "".join(parts), total

    def _blanks(self, options: Options) -> None:
        """Skip comments, and white space where option x says so."""
        while True:
            if self.peek(3) == "(?#":
                end = self.pattern.find(")", self.at)
                if end < 0:
                    raise self.wrong("a comment is not closed")
                self.at = end + 1
            elif options.spaced and self.peek() in _BLANKS:
                self.at += 1
            elif options.spaced and self.peek() == "#":
                end = self.pattern.find("\n", self.at)
                self.at = len(self.pattern) if end < 0 else end
            else:
                return

    def _quantified(self, atom: str, weight: int, options: Options, start: int) -> tuple[str, int]:
        self._blanks(options)
        found = _QUANTIFIER.match(self.pattern, self.at)
        if found:
            least, most = int(found[1]), int(found[3]) if found[3] else None
            if most is not None and found[2] and most < least:
                raise self.wrong("a quantifier {x,y} with x greater than y")
            times = max(least, most or 0) if found[2] else least
            text, self.at = found[0], found.end()
        elif self.peek() in {"*", "+", "?"}:
            text, times = self.take(), 1
        else:
            return atom, weight
        self._blanks(options)
        if self.peek() == "?":
            self.at += 1
            text += "?"
        after = self.at
        self._blanks(options)
        if self.peek() in {"*", "+", "?"} or _QUANTIFIER.match(self.pattern, self.at):
            raise self.wrong("a quantifier after a quantifier")
        self.at = after
        weight *= max(times, 1)
        if weight > HEAVIEST:
            raise self.wrong("the pattern repeats too much", start)
        return f"(?:{atom}){text}", weight

    def _atom(self, options: Options) -> tuple[str, int]:
        start, character = self.at, self.take()
        if character == "(":
            return self.group(options, start)
        if character in {"*", "+", "?"} or (character == "{" and _QUANTIFIER.match(self.pattern, start)):
            raise self.wrong("a quantifier follows nothing", start)
        return self._single(character, options, start), 1

    def _single(self, character: str, options: Options, start: int) -> str:
        if character == "[":
            return self.character_class(options)
        if character == "\\":
            return (
                self.fixed_escape(options) or self.reference(options, start) or self.literal(self.code(start), options)
            )
        places = {
            ".": "(?s:.)" if options.dot_all else "[^\\n]",
            "^": "(?m:^)" if options.multiline else r"\A",
            "$": "(?m:$)" if options.multiline else r"(?=\n?\Z)",
        }
        return places.get(character) or self.literal(ord(character), options)

    def group(self, options: Options, start: int) -> tuple[str, int]:
        opening, inner = self.opening(options, start)
        made, weight = self.alternatives(inner)
        if self.peek() != ")":
            raise self.wrong("a parenthesis is not closed", start)
        self.at += 1
        if opening.startswith("(?("):
            bars = self.top_level_bars(made)
            if bars > 1:
                raise self.wrong("a condition with more than two branches", start)
            if not bars and opening.startswith("(?(?"):
                made += "|(?!)"  # .NET: an expression as condition, and no other branch, has to hold
        return f"{opening}{made})", weight

    @staticmethod
    def top_level_bars(made: str) -> int:
        """Count the branches that a translation has at its own level."""
        depth = bars = at = 0
        while at < len(made):
            character = made[at]
            at += 2 if character == "\\" else 1
            depth += (character in "([") - (character in ")]")
            bars += character == "|" and not depth
        return bars
