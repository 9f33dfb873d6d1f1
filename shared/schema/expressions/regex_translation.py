"""From the .NET dialect of regular expressions to that of the regex engine (".NET regular expression language - Quick reference").

Options are resolved here: the engine only sees patterns whose meaning no flag changes. Groups get the numbers that .NET gives them, unnamed
ones before named ones, and are called ``g1``, ``g2`` and so on.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from shared.schema.expressions.regex_classes import (
    CATEGORIES,
    DIGIT,
    SPACE,
    WORD,
    CharacterClass,
    same_when_lowered,
    unit,
)

LONGEST_PATTERN: Final = 10_000
DEEPEST: Final = 40
HEAVIEST: Final = 100_000
_QUANTIFIER: Final = re.compile(r"\{(\d{1,9})(,(\d{0,9}))?\}")
_OPTIONS: Final = re.compile(r"\?([imnsx]*)(?:-([imnsx]*))?([:)])")
_NAME: Final = re.compile(r"\w+")
_SHORT: Final = {"a": 7, "b": 8, "t": 9, "r": 13, "v": 11, "f": 12, "n": 10, "e": 27}
_SETS: Final = {"w": WORD, "s": SPACE, "d": DIGIT}
_NOT_WORD_BOUNDARY: Final = r"\p{L}\p{Mn}\p{Nd}\p{Pc}\u200c\u200d"
_PLAIN_GROUPS: Final = ("?:", "?=", "?!", "?>", "?<=", "?<!")
_BLOCK_ALIASES: Final = {
    "Greek": "GreekandCoptic",
    "CombiningMarksforSymbols": "CombiningDiacriticalMarksforSymbols",
    "PrivateUse": "PrivateUseArea",
}


class PatternError(ValueError):
    """The text is not a regular expression of .NET, or one that is not supported. ``position`` counts from 1."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message, position)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        return f"{self.message} (character {self.position} of the pattern)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A pattern in the engine's dialect, and the .NET numbers of its groups: all of them, and by name."""

    source: str
    numbers: frozenset[int]
    names: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    ignore_case: bool = False
    multiline: bool = False
    explicit: bool = False
    dot_all: bool = False
    spaced: bool = False

    def changed(self, letters: str, *, on: bool) -> "_Options":
        fields = {"i": "ignore_case", "m": "multiline", "n": "explicit", "s": "dot_all", "x": "spaced"}
        return replace(self, **{fields[letter]: on for letter in letters})


def translate(pattern: str) -> Translation:
    """Return the translation. Raises PatternError."""
    if len(pattern) > LONGEST_PATTERN:
        raise PatternError(
            f"the pattern has {len(pattern)} characters, {LONGEST_PATTERN} are allowed", LONGEST_PATTERN + 1
        )
    first = _Translator(pattern, None, {})
    first.whole()
    numbers, names = first.slots()
    second = _Translator(pattern, numbers, names)
    return Translation(source="(?V1)" + second.whole(), numbers=numbers | {0}, names=names)


class _Translator:
    """One pass over a pattern. The first pass finds the groups, the second one knows them."""

    def __init__(self, pattern: str, numbers: frozenset[int] | None, names: dict[str, int]) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0
        self.weight = 0
        self.class_width = 0
        self.next_unnamed = 1
        self.known, self.names = numbers, names
        self.found_numbers: set[int] = set()
        self.found_names: list[str] = []

    def slots(self) -> tuple[frozenset[int], dict[str, int]]:
        numbers, free, names = set(self.found_numbers), self.next_unnamed, {}
        for name in self.found_names:
            while free in numbers:
                free += 1
            names[name] = free
            numbers.add(free)
        return frozenset(numbers), names | {str(number): number for number in self.found_numbers}

    def wrong(self, message: str, at: int | None = None) -> PatternError:
        return PatternError(message, (self.at if at is None else at) + 1)

    def peek(self, length: int = 1) -> str:
        return self.pattern[self.at : self.at + length]

    def take(self) -> str:
        if self.at >= len(self.pattern):
            raise self.wrong("the pattern ends too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def whole(self) -> str:
        made, _ = self.alternatives(_Options())
        if self.at < len(self.pattern):
            raise self.wrong("a closing parenthesis without an opening one")
        return made

    def alternatives(self, options: _Options) -> tuple[str, int]:
        """Read to the closing parenthesis or the end; return the translation and its weight."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.wrong(f"groups are nested more than {DEEPEST} deep")
        parts: list[str] = []
        total = 1
        while True:
            options = self.blanks(options)
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
            atom, weight = self.atom(options)
            atom, weight = self.quantified(atom, weight, options, start)
            total += weight
            if total > HEAVIEST:
                raise self.wrong("the pattern repeats too much", start)
            parts.append(atom)
        self.depth -= 1
        return "".join(parts), total

    def blanks(self, options: _Options) -> _Options:
        """Skip comments, and white space where option x says so."""
        while True:
            if self.peek(3) == "(?#":
                end = self.pattern.find(")", self.at)
                if end < 0:
                    raise self.wrong("a comment is not closed")
                self.at = end + 1
            elif options.spaced and self.peek() in {" ", "\t", "\n", "\r", "\f", "\v"}:
                self.at += 1
            elif options.spaced and self.peek() == "#":
                end = self.pattern.find("\n", self.at)
                self.at = len(self.pattern) if end < 0 else end
            else:
                return options

    def inline(self, options: _Options) -> _Options | None:
        """Read ``(?i-m)``: options until the end of the group."""
        found = _OPTIONS.match(self.pattern, self.at + 1) if self.peek(2) == "(?" else None
        if not found or found[3] != ")":
            return None
        self.at = found.end()
        return options.changed(found[1], on=True).changed(found[2] or "", on=False)

    def quantified(self, atom: str, weight: int, options: _Options, start: int) -> tuple[str, int]:
        self.blanks(options)
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
        self.blanks(options)
        if self.peek() == "?":
            self.at += 1
            text += "?"
        after = self.at
        self.blanks(options)
        if self.peek() in {"*", "+", "?"} or _QUANTIFIER.match(self.pattern, self.at):
            raise self.wrong("a quantifier after a quantifier")
        self.at = after
        weight *= max(times, 1)
        if weight > HEAVIEST:
            raise self.wrong("the pattern repeats too much", start)
        return f"(?:{atom}){text}", weight

    def atom(self, options: _Options) -> tuple[str, int]:
        start, character = self.at, self.take()
        match character:
            case "(":
                return self.group(options, start)
            case "[":
                return self.character_class(options), 1
            case "\\":
                return self.escape(options), 1
            case ".":
                return "(?s:.)" if options.dot_all else "[^\\n]", 1
            case "^":
                return "(?m:^)" if options.multiline else r"\A", 1
            case "$":
                return "(?m:$)" if options.multiline else r"(?=\n?\Z)", 1
            case "*" | "+" | "?":
                raise self.wrong("a quantifier follows nothing", start)
            case "{" if _QUANTIFIER.match(self.pattern, start):
                raise self.wrong("a quantifier follows nothing", start)
        return self.literal(ord(character), options), 1

    def literal(self, code: int, options: _Options) -> str:
        if options.ignore_case:
            same = same_when_lowered(code)
            if same != (code,):
                return f"[{''.join(map(unit, same))}]"
        character = chr(code)
        return character if character.isascii() and character.isalnum() else unit(code)

    def group(self, options: _Options, start: int) -> tuple[str, int]:
        opening, inner = self.opening(options, start)
        made, weight = self.alternatives(inner)
        if self.peek() != ")":
            raise self.wrong("a parenthesis is not closed", start)
        self.at += 1
        if opening.startswith("(?(") and made.count("|") and self.top_level_bars(made) > 1:
            raise self.wrong("a condition with more than two branches", start)
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

    def opening(self, options: _Options, start: int) -> tuple[str, _Options]:
        if self.peek() != "?":
            if options.explicit:
                return "(?:", options
            return self.capture(None), options
        for mark in _PLAIN_GROUPS:
            if self.peek(len(mark)) == mark:
                self.at += len(mark)
                return f"({mark}", options
        if found := _OPTIONS.match(self.pattern, self.at):
            self.at = found.end()
            return "(?:", options.changed(found[1], on=True).changed(found[2] or "", on=False)
        if self.peek(2) == "?(":
            self.at += 1
            return self.condition(options), options
        if self.peek(2) in {"?<", "?'"}:
            close = ">" if self.peek(2) == "?<" else "'"
            self.at += 2
            name = _NAME.match(self.pattern, self.at)
            if not name:
                unsupported = "balancing groups are not supported" if self.peek() == "-" else "a group without a name"
                raise self.wrong(unsupported)
            self.at = name.end()
            if self.peek() == "-":
                raise self.wrong("balancing groups are not supported")
            if self.peek() != close:
                raise self.wrong("the name of a group is not closed")
            self.at += 1
            return self.capture(name[0]), options
        raise self.wrong("a group of a kind that .NET does not know", start)

    def capture(self, name: str | None) -> str:
        if name is None:
            number = self.next_unnamed
            self.next_unnamed += 1
            self.found_numbers.add(number)
        elif name.isascii() and name.isdigit():
            number = int(name) if len(name) < 5 else 0
            if not 0 < number < 1000:
                raise self.wrong("the number of a group is not between 1 and 999")
            self.found_numbers.add(number)
        else:
            if name[0].isdigit():
                raise self.wrong("the name of a group begins with a digit")
            if name not in self.found_names:
                self.found_names.append(name)
            number = self.names.get(name, 0)
        return f"(?P<g{number}>"

    def condition(self, options: _Options) -> str:
        """Read ``(?(name)`` or ``(?(expression)``, which asks whether the expression matches here."""
        found = re.compile(r"\((\w+)\)").match(self.pattern, self.at)
        if found and (self.number_of(found[1]) is not None or (found[1].isascii() and found[1].isdigit())):
            number = self.number_of(found[1])
            if number is None and self.known is not None:
                raise self.wrong("a condition on a group that is not there")
            self.at = found.end()
            return f"(?(g{number})" if self.known is not None else "(?:"
        start = self.at
        self.at += 1
        if self.peek(2) in {"?=", "?!"} or self.peek(3) in {"?<=", "?<!"}:
            made, _ = self.group(options, start)
            return f"(?{made}"
        made, _ = self.alternatives(options)
        if self.take() != ")":
            raise self.wrong("a condition is not closed")
        return f"(?(?={made})"

    def escape(self, options: _Options) -> str:
        start = self.at - 1
        character = self.take()
        match character:
            case "w" | "s" | "d":
                return f"[{_SETS[character]}]"
            case "W" | "S" | "D":
                return f"[^{_SETS[character.lower()]}]"
            case "p" | "P":
                return f"[{self.category(character, options)}]"
            case "b" | "B":
                inside, outside = f"[{_NOT_WORD_BOUNDARY}]", f"[{_NOT_WORD_BOUNDARY}]"
                if character == "b":
                    return f"(?:(?<={inside})(?!{outside})|(?<!{inside})(?={outside}))"
                return f"(?:(?<={inside})(?={outside})|(?<!{inside})(?!{outside}))"
            case "A" | "G":
                return f"\\{character}"
            case "z":
                return r"\Z"
            case "Z":
                return r"(?=\n?\Z)"
        self.at -= 1
        return self.reference(options, start) or self.literal(self.code(start), options)

    def reference(self, options: _Options, start: int) -> str | None:
        """Read a reference to a group: ``\\1``, ``\\k<name>``, ``\\k'name'``, ``\\<name>``."""
        named = re.compile(r"k?(?:<(\w+)>|'(\w+)')").match(self.pattern, self.at)
        if self.peek() == "k" and not named:
            raise self.wrong("a reference \\k without a name", start)
        if named:
            number = self.number_of(named[1] or named[2])
            if self.known is not None and number is None:
                raise self.wrong("a reference to a group that is not there", start)
            self.at = named.end()
            return self.back(number or 0, options)
        digits = re.compile(r"[1-9][0-9]{0,8}").match(self.pattern, self.at)
        if not digits:
            return None
        number = int(digits[0])
        if self.known is None:
            self.at = digits.end()
            return "(?:)"
        if number in self.known:
            self.at = digits.end()
            return self.back(number, options)
        if number <= 9:
            raise self.wrong("a reference to a group that is not there", start)
        return None

    def number_of(self, name: str) -> int | None:
        """Return the number of a group by its name, or by its number."""
        if name.isascii() and name.isdigit() and len(name) < 5 and int(name) in (self.known or ()):
            return int(name)
        return self.names.get(name)

    @staticmethod
    def back(number: int, options: _Options) -> str:
        return f"(?i-f:(?P=g{number}))" if options.ignore_case else f"(?P=g{number})"

    def code(self, start: int) -> int:
        """Read what follows a backslash as one code unit."""
        character = self.take()
        if "0" <= character <= "7":
            octal = re.compile(r"[0-7]{1,3}").match(self.pattern, self.at - 1)
            digits = octal[0] if octal else "0"
            self.at += len(digits) - 1
            return int(digits, 8) & 0xFF
        if character in {"x", "u"}:
            length = 2 if character == "x" else 4
            digits = self.peek(length)
            if not re.fullmatch(f"[0-9A-Fa-f]{{{length}}}", digits):
                raise self.wrong(f"\\{character} needs {length} hexadecimal digits", start)
            self.at += length
            return int(digits, 16)
        if character == "c":
            control = ord(self.take().upper()) - ord("@")
            if not 0 <= control < 32:
                raise self.wrong("a control character that is not there", start)
            return control
        if character in _SHORT:
            return _SHORT[character]
        if re.fullmatch(r"\w", character):
            raise self.wrong(f"the escape \\{character} has no meaning", start)
        return ord(character)

    def category(self, letter: str, options: _Options) -> str:
        """Read ``{Lu}`` or ``{IsGreek}``, a category or a block."""
        found = re.compile(r"\{([\w-]{1,60})\}").match(self.pattern, self.at)
        if not found:
            raise self.wrong(f"\\{letter} needs the name of a category in braces")
        self.at = found.end()
        name = found[1]
        if options.ignore_case and name in {"Ll", "Lt", "Lu"}:
            return f"[{'^' if letter == 'P' else ''}\\p{{Ll}}\\p{{Lt}}\\p{{Lu}}]"
        if name in CATEGORIES:
            return f"\\{letter}{{{name}}}"
        if not name.startswith("Is"):
            raise self.wrong("a category or block that is not known", found.start())
        block = _BLOCK_ALIASES.get(name[2:], name[2:])
        return f"\\{letter}{{Block:{block}}}"

    def character_class(self, options: _Options) -> str:
        """Read a class, after its opening bracket."""
        start = self.at - 1
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.wrong(f"classes are nested more than {DEEPEST} deep")
        made = CharacterClass()
        if self.peek() == "^":
            self.at += 1
            made.negated = True
        first, previous = True, -1
        while True:
            if self.at >= len(self.pattern):
                raise self.wrong("a bracket is not closed", start)
            character, escaped = self.take(), False
            if character == "]" and not first:
                break
            if character == "\\" and self.at < len(self.pattern):
                if self.class_escape(made, options, in_range=previous >= 0):
                    first = False
                    continue
                code, escaped = self.code(self.at - 1), True
            else:
                code = ord(character)
            if previous >= 0:
                if character == "[" and not escaped and not first:
                    made.ranges.append((previous, previous))
                    self.subtraction(made, options)
                elif previous > code:
                    raise self.wrong("a range whose end comes before its beginning")
                else:
                    made.ranges.append((previous, code))
                previous = -1
            elif self.peek() == "-" and self.peek(2) not in {"-]", "-"}:
                previous = code
                self.at += 1
            elif character == "-" and not escaped and self.peek() == "[" and not first:
                self.at += 1
                self.subtraction(made, options)
            else:
                made.ranges.append((code, code))
            first = False
        self.depth -= 1
        self.class_width += made.width()
        if options.ignore_case and self.class_width > 5 * 0x10000:
            raise self.wrong("classes that are too wide with case ignored", start)
        return made.render(ignore_case=options.ignore_case)

    def class_escape(self, made: CharacterClass, options: _Options, *, in_range: bool) -> bool:
        """Read an escape that stands for several characters, or for a literal hyphen; tell whether there was one."""
        letter = self.peek()
        if letter == "-":
            self.at += 1
            made.ranges.append((ord("-"), ord("-")))
            return True
        if letter not in set("dDsSwWpP"):
            return False
        if in_range:
            raise self.wrong("a range that ends in a class")
        self.at += 1
        if letter in "pP":
            made.properties.append(self.category(letter, options))
        else:
            made.properties.append(_SETS[letter] if letter.islower() else f"[^{_SETS[letter.lower()]}]")
        return True

    def subtraction(self, made: CharacterClass, options: _Options) -> None:
        made.subtracted = self.character_class(options)
        if self.peek() not in {"]", ""}:
            raise self.wrong("a subtraction is not the last part of its class")
