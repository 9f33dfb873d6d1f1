"""Groups of .NET regular expressions: their numbers, conditions on them, references to them."""

import re
from abc import abstractmethod
from typing import Final

from shared.schema.expressions.regex_cursor import Options
from shared.schema.expressions.regex_escapes import Escapes

_OPTIONS: Final = re.compile(r"\?([imnsx]*)(?:-([imnsx]*))?([:)])")
_NAME: Final = re.compile(r"\w+")
_CONDITION: Final = re.compile(r"\((\w+)\)")
_NAMED_REFERENCE: Final = re.compile(r"k?(?:<(\w+)>|'(\w+)')")
_NUMBERED_REFERENCE: Final = re.compile(r"[1-9][0-9]{0,8}")
_PLAIN_GROUPS: Final = ("?:", "?=", "?!", "?>", "?<=", "?<!")


class Groups(Escapes):
    """Reads groups, but not what stands in them. Numbers and names are those that an earlier pass found, None and
    nothing in the first one."""

    def __init__(self, pattern: str, numbers: frozenset[int] | None, names: dict[str, int]) -> None:
        super().__init__(pattern)
        self.next_unnamed = 1
        self.known, self.names = numbers, names
        self.found_numbers: set[int] = set()
        self.found_names: list[str] = []

    @abstractmethod
    def alternatives(self, options: Options) -> tuple[str, int]:
        """Read to the closing parenthesis or the end; return the translation and its weight."""

    @abstractmethod
    def group(self, options: Options, start: int) -> tuple[str, int]:
        """Read a group, after its opening parenthesis."""

    def slots(self) -> tuple[frozenset[int], dict[str, int]]:
        """Return the numbers of the groups, and by name those of the groups that can be asked for by one."""
        numbers, free, names = set(self.found_numbers), self.next_unnamed, {}
        for name in self.found_names:
            while free in numbers:
                free += 1
            names[name] = free
            numbers.add(free)
        return frozenset(numbers), names | {str(number): number for number in self.found_numbers}

    def inline(self, options: Options) -> Options | None:
        """Read ``(?i-m)``: options until the end of the group."""
        found = _OPTIONS.match(self.pattern, self.at + 1) if self.peek(2) == "(?" else None
        if not found or found[3] != ")":
            return None
        self.at = found.end()
        return options.changed(found[1], on=True).changed(found[2] or "", on=False)

    def opening(self, options: Options, start: int) -> tuple[str, Options]:
        """Read what begins a group, after its parenthesis; return its translation and the options inside."""
        if self.peek() != "?":
            return "(?:" if options.explicit else self._capture(None), options
        plain = next((mark for mark in _PLAIN_GROUPS if self.peek(len(mark)) == mark), None)
        if plain:
            self.at += len(plain)
            return f"({plain}", options
        if found := _OPTIONS.match(self.pattern, self.at):
            self.at = found.end()
            return "(?:", options.changed(found[1], on=True).changed(found[2] or "", on=False)
        if self.peek(2) == "?(":
            self.at += 1
            return self._condition(options), options
        if self.peek(2) in {"?<", "?'"}:
            return self._named(), options
        raise self.wrong("a group of a kind that .NET does not know", start)

    def _named(self) -> str:
        close = ">" if self.peek(2) == "?<" else "'"
        self.at += 2
        name = _NAME.match(self.pattern, self.at)
        if name:
            self.at = name.end()
        if self.peek() == "-":
            raise self.wrong("balancing groups are not supported")
        if not name:
            raise self.wrong("a group without a name")
        if self.peek() != close:
            raise self.wrong("the name of a group is not closed")
        self.at += 1
        return self._capture(name[0])

    def _capture(self, name: str | None) -> str:
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

    def _condition(self, options: Options) -> str:
        """Read ``(?(name)`` or ``(?(expression)``, which asks whether the expression matches here."""
        found = _CONDITION.match(self.pattern, self.at)
        if found and (self._number_of(found[1]) is not None or (found[1].isascii() and found[1].isdigit())):
            number = self._number_of(found[1])
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

    def reference(self, options: Options, start: int) -> str | None:
        """Read a reference to a group: ``\\1``, ``\\k<name>``, ``\\k'name'``, ``\\<name>``."""
        named = _NAMED_REFERENCE.match(self.pattern, self.at)
        if self.peek() == "k" and not named:
            raise self.wrong("a reference \\k without a name", start)
        if named:
            number = self._number_of(named[1] or named[2])
            if self.known is not None and number is None:
                raise self.wrong("a reference to a group that is not there", start)
            self.at = named.end()
            return self._back(number or 0, options)
        digits = _NUMBERED_REFERENCE.match(self.pattern, self.at)
        if not digits:
            return None
        number = int(digits[0])
        if self.known is None or number in self.known:
            self.at = digits.end()
            return self._back(number, options) if self.known else "(?:)"
        if number <= 9:
            raise self.wrong("a reference to a group that is not there", start)
        return None

    def _number_of(self, name: str) -> int | None:
        """Return the number of a group by its name, or by its number."""
        if name.isascii() and name.isdigit() and len(name) < 5 and int(name) in (self.known or ()):
            return int(name)
        return self.names.get(name)

    @staticmethod
    def _back(number: int, options: Options) -> str:
        return f"(?i-f:(?P=g{number}))" if options.ignore_case else f"(?P=g{number})"
