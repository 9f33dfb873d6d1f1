"""Random values that a repeat gives again: each is derived from the seed of the evaluation and from which call of the expression it is."""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from shared.schema.expressions.errors import UnusableValue
from shared.schema.expressions.function import Evaluator, Example, Function, Parameter, Site, Type
from shared.schema.expressions.values import EvaluationContext

LONGEST: Final = 256
_CLASSES: Final = (
    "0123456789",
    "!@#$%^&*()_-+=[]{}|;:,.<>?/",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "abcdefghijklmnopqrstuvwxyz",
)
_MINIMA: Final = ("MinNumbers", "MinSpecialChars", "MinCapital", "MinLowerCase")


def _bytes(seed: str, site: Site) -> Iterator[int]:
    """Yield bytes without end, the same ones for the same seed and call."""
    block = 0
    while True:
        yield from hashlib.sha256(
            f"{site.function}\n{site.ordinal}\n{block}\n{seed}".encode("utf-8", "surrogatepass")
        ).digest()
        block += 1


def _below(source: Iterator[int], bound: int) -> int:
    """Return a number below the bound, all of them equally likely."""
    limit = 256 - 256 % bound
    return next(byte for byte in source if byte < limit) % bound


def _guid(site: Site) -> Evaluator:
    def run(_record: Mapping[str, Any], context: EvaluationContext) -> str:
        source = _bytes(context.seed, site)
        return str(uuid.UUID(bytes=bytes(next(source) for _ in range(16)), version=4))

    return run


def _random_string(site: Site) -> Evaluator:
    length, *minima = (argument.integer() for argument in site.arguments[:5])
    avoid = site.arguments[5].text()

    def run(record: Mapping[str, Any], context: EvaluationContext) -> str:
        wanted = length(record, context) or 0
        least = [minimum(record, context) or 0 for minimum in minima]
        avoided = avoid(record, context) or ""
        return _make(wanted, least, avoided, _bytes(context.seed, site))

    return site.guarded(run)


def _make(length: int, least: list[int], avoided: str, source: Iterator[int]) -> str:
    for name, minimum in zip(_MINIMA, least, strict=True):
        if minimum < 0:
            raise UnusableValue(name, "is less than 0")
    if not max(1, sum(least)) <= length <= LONGEST:
        raise UnusableValue("Length", f"is not between 1, or the sum of the minima, and {LONGEST}")
    classes = ["".join(character for character in characters if character not in avoided) for characters in _CLASSES]
    for characters, name, minimum in zip(classes, _MINIMA, least, strict=True):
        if minimum and not characters:
            raise UnusableValue(name, "asks for characters that CharactersToAvoid excludes all")
    rest = "".join(characters for characters, minimum in zip(classes, least, strict=True) if minimum or not any(least))
    if not rest:
        raise UnusableValue("CharactersToAvoid", "leaves no characters")
    picked = [
        characters[_below(source, len(characters))]
        for characters, minimum in zip(classes, least, strict=True)
        for _ in range(minimum)
    ]
    picked += [rest[_below(source, len(rest))] for _ in range(length - len(picked))]
    for index in range(len(picked) - 1, 0, -1):
        other = _below(source, index + 1)
        picked[index], picked[other] = picked[other], picked[index]
    return "".join(picked)


def _minimum(name: str) -> Parameter:
    return Parameter(name=name, type=Type.INTEGER)


FUNCTIONS: Final = (
    Function(
        name="Guid",
        parameters=(),
        rule="A random GUID, the same one at every repeat for the same object and mapping. Apply it only during creation.",
        examples=(Example(expression="Guid()", result="37356a5a-d839-4d32-bf13-b93a2d3fa144"),),
        build=_guid,
        random=True,
    ),
    Function(
        name="RandomString",
        parameters=(
            _minimum("Length"),
            *(_minimum(name) for name in _MINIMA),
            Parameter(name="CharactersToAvoid", required=False),
        ),
        rule="Random characters with at least so many of each kind, the same at every repeat for the same object and "
        "mapping; what is left is filled "
        "from the kinds asked for. At most 256, at least the sum of the minima.",
        examples=(Example(expression="RandomString(6, 3, 0, 0, 3)", result="k190ij"),),
        build=_random_string,
        random=True,
    ),
)
