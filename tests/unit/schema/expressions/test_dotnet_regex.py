"""Regular expressions come to an end: in time, in size, and with a message."""

import time

import pytest

from shared.schema.expressions.dotnet_regex import (
    PatternError,
    PatternTimeoutError,
    ResultTooLongError,
    compile_pattern,
)

EXPLOSIVE = [
    r"(.*)*(.*)*(.*)*x",
    r"(a|aa)+$",
    r"(?:(?:a?){50}){50}b",
    r"(a|a|a)*b",
    r"(?=(a*)*b)",
    r"(?<=(a*)*)b",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
]


@pytest.mark.parametrize("pattern", EXPLOSIVE)
def test_an_explosive_pattern_ends_in_bounded_time(pattern: str) -> None:
    begun = time.monotonic()
    try:
        compile_pattern(pattern).search("a" * 5_000 + "!")
    except PatternTimeoutError as error:
        assert "simpler" in str(error)
    assert time.monotonic() - begun < 5


def test_a_pattern_that_never_ends_is_said_to() -> None:
    with pytest.raises(PatternTimeoutError):
        compile_pattern(r"(a|aa)+$").search("a" * 5_000 + "!")


def test_many_replacements_share_one_time_limit() -> None:
    begun = time.monotonic()
    with pytest.raises(PatternTimeoutError):
        compile_pattern(r"(?=(a|aa)+$)|a").replace("a" * 20_000 + "!", "")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("pattern", "position", "words"),
    [
        ("a(b", 2, "not closed"),
        ("a)", 2, "without an opening"),
        ("[z-a]", 5, "range"),
        ("a**", 3, "after a quantifier"),
        ("*", 1, "follows nothing"),
        ("(?<a-b>x)", 5, "balancing"),
        (r"\p{Nonsense}", 3, "not known"),
        (r"\p{IsNonsense}", 1, "not supported"),
        (r"\1", 1, "not there"),
        ("(?:(?:a{1000}){1000})", 4, "too much"),
        ("(" * 50 + ")" * 50, 41, "deep"),
        ("x" * 10_001, 10_001, "10000 are allowed"),
    ],
)
def test_a_wrong_pattern_names_its_position(pattern: str, position: int, words: str) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert words in caught.value.message
    if "IsNonsense" not in pattern:
        assert caught.value.position == position


def test_a_replacement_has_a_greatest_length() -> None:
    with pytest.raises(ResultTooLongError):
        compile_pattern("a").replace("a" * 1_000, "$_")


def test_a_search_is_not_anchored() -> None:
    assert compile_pattern("[1-9][0-9]").search("room 101")
    assert not compile_pattern("^[1-9][0-9]$").search("room 101")
