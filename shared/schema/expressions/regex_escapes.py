"""Escapes and character classes of .NET regular expressions, in the dialect of the regex engine."""

import re
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
from shared.schema.expressions.regex_cursor import Cursor, Options

WIDEST: Final = 2 * 0x10000
_SETS: Final = {"w": WORD, "s": SPACE, "d": DIGIT}
_CODES: Final = {"a": 7, "b": 8, "t": 9, "r": 13, "v": 11, "f": 12, "n": 10, "e": 27}
_BOUNDED: Final = rf"[{WORD}\u200c\u200d]"
_OCTAL: Final = re.compile(r"[0-7]{1,3}")
_CATEGORY: Final = re.compile(r"\{([\w-]{1,60})\}")
_BLOCKS: Final = {
    "Greek": "GreekandCoptic",
    "CombiningMarksforSymbols": "CombiningDiacriticalMarksforSymbols",
    "PrivateUse": "PrivateUseArea",
}
_ANCHORS: Final = {
    "A": r"\A",
    "G": r"\G",
    "z": r"\Z",
    "Z": r"(?=\n?\Z)",
    "b": f"(?:(?<={_BOUNDED})(?!{_BOUNDED})|(?<!{_BOUNDED})(?={_BOUNDED}))",
    "B": f"(?:(?<={_BOUNDED})(?={_BOUNDED})|(?<!{_BOUNDED})(?!{_BOUNDED}))",
}
_WHOLE_CLASSES: Final = frozenset("dDsSwW")


class Escapes(Cursor):
    """Reads escapes and classes. Code units are written as numbers, so that nothing in them has a meaning."""

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern)
        self._width = 0

    def literal(self, code: int, options: Options) -> str:
        """Return what matches one code unit."""
        if options.ignore_case:
            same = same_when_lowered(code)
            if same != (code,):
                return f"[{''.join(map(unit, same))}]"
        character = chr(code)
        return character if character.isascii() and character.isalnum() else unit(code)

    def fixed_escape(self, options: Options) -> str | None:
        """Read an escape that stands for a class or a place; None, with nothing read, for any other."""
        letter = self.peek()
        if letter in _WHOLE_CLASSES and letter:
            self.at += 1
            return f"[{_set(letter)}]"
        if letter in _ANCHORS:
            self.at += 1
            return _ANCHORS[letter]
        if letter in {"p", "P"}:
            self.at += 1
            return f"[{self.category(letter, options)}]"
        return None

    def code(self, start: int) -> int:
        """Read what follows a backslash as one code unit."""
        character = self.take()
        if "0" <= character <= "7":
            octal = _OCTAL.match(self.pattern, self.at - 1)
            digits = octal[0] if octal else "0"
            self.at += len(digits) - 1
            return int(digits, 8) & 0xFF
        if character in {"x", "u"}:
            return self._hexadecimal(character, start)
        if character == "c":
            control = ord(self.take().upper()) - ord("@")
            if not 0 <= control < 32:
                raise self.wrong("a control character that is not there", start)
            return control
        if character not in _CODES and re.fullmatch(r"\w", character):
            raise self.wrong(f"the escape \\{character} has no meaning", start)
        return _CODES.get(character, ord(character))

    def _hexadecimal(self, letter: str, start: int) -> int:
        length = 2 if letter == "x" else 4
        digits = self.peek(length)
        if not re.fullmatch(f"[0-9A-Fa-f]{{{length}}}", digits):
            raise self.wrong(f"\\{letter} needs {length} hexadecimal digits", start)
        self.at += length
        return int(digits, 16)

    def category(self, letter: str, options: Options) -> str:
        """Read ``{Lu}`` or ``{IsGreek}``, a category or a block."""
        found = _CATEGORY.match(self.pattern, self.at)
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
        return f"\\{letter}{{Block:{_BLOCKS.get(name[2:], name[2:])}}}"

    def character_class(self, options: Options) -> str:
        """Read a class, after its opening bracket."""
        start = self.at - 1
        self.enter()
        made = CharacterClass()
        if self.peek() == "^":
            self.at += 1
            made.negated = True
        first, previous = True, -1
        while True:
            if self.at >= len(self.pattern):
                raise self.wrong("a bracket is not closed", start)
            if self.peek() == "]" and not first:
                self.at += 1
                break
            previous = self._member(made, options, previous, first=first)
            first = False
        self.depth -= 1
        self._width += made.width()
        if options.ignore_case and self._width > WIDEST:
            raise self.wrong("classes that are too wide with case ignored", start)
        return made.render(ignore_case=options.ignore_case)

    def _member(self, made: CharacterClass, options: Options, previous: int, *, first: bool) -> int:
        """Read one member. ``previous`` is where a range has begun, -1 when none has; so is what is returned."""
        character = self.take()
        escaped = character == "\\" and self.at < len(self.pattern)
        if escaped and self._class_escape(made, options, in_range=previous >= 0):
            return previous
        code = self.code(self.at - 1) if escaped else ord(character)
        opens = character == "[" and not first
        if previous >= 0:
            if opens:
                made.ranges.append((previous, previous))
                self._subtraction(made, options)
            elif previous > code:
                raise self.wrong("a range whose end comes before its beginning")
            else:
                made.ranges.append((previous, code))
        elif self.peek() == "-" and self.peek(2) not in {"-]", "-"}:
            self.at += 1
            return code
        elif character == "-" and self.peek() == "[" and not first:
            self.at += 1
            self._subtraction(made, options)
        else:
            made.ranges.append((code, code))
        return -1

    def _class_escape(self, made: CharacterClass, options: Options, *, in_range: bool) -> bool:
        """Read an escape that stands for several characters, or for a literal hyphen; tell whether there was one."""
        letter = self.peek()
        if letter == "-":
            self.at += 1
            made.ranges.append((ord("-"), ord("-")))
            return True
        if letter not in _WHOLE_CLASSES and letter not in {"p", "P"}:
            return False
        if in_range:
            raise self.wrong("a range that ends in a class")
        self.at += 1
        if letter in _WHOLE_CLASSES:
            made.properties.append(_set(letter) if letter.islower() else f"[{_set(letter)}]")
        else:
            made.properties.append(self.category(letter, options))
        return True

    def _subtraction(self, made: CharacterClass, options: Options) -> None:
        made.subtracted = self.character_class(options)
        if self.peek() not in {"]", ""}:
            raise self.wrong("a subtraction is not the last part of its class")


def _set(letter: str) -> str:
    return _SETS[letter] if letter.islower() else f"^{_SETS[letter.lower()]}"
