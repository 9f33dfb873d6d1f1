"""Properties of the expression language: no text and no object breaks it, and what others can compute they compute too."""

import base64
import re
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.schema.expressions import (
    FUNCTIONS,
    EvaluationError,
    Expression,
    ExpressionError,
    Ignore,
    Node,
    compile_expression,
    compile_tree,
    from_source,
    to_source,
)
from shared.schema.expressions.documentation import EXAMPLE_CONTEXT
from shared.schema.expressions.dotnet_regex import PatternError, PatternTimeoutError, compile_pattern
from shared.schema.expressions.function import Takes
from shared.schema.expressions.moments import moment_from
from shared.schema.expressions.parser import parse_operand
from shared.schema.expressions.tree import (
    Attribute,
    Call,
    Comparator,
    Comparison,
    Empty,
    Number,
    Text,
    Word,
    print_tree,
    quoted,
)

NAMES = st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs", "Z", "C"]), min_size=1, max_size=8)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.decimals(
    allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9
).filter(lambda number: number != 0)
TEXTS = st.text(max_size=12)
WORDS = st.sampled_from(["vbTextCompare", "vbBinaryCompare", "IgnoreAttributeFlow", "IgnoreObjectFlow"])
LEAVES: st.SearchStrategy[Node] = st.one_of(
    NAMES.map(lambda name: Attribute(name=name)),
    TEXTS.map(lambda text: Text(text=text)),
    NUMBERS.map(lambda number: Number(number=number)),
    WORDS.map(lambda word: Word(name=word)),
)


def calls(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    arguments = st.lists(inner | st.just(Empty()), min_size=2, max_size=4)
    plain = st.builds(
        lambda name, given: Call(function=name, arguments=tuple(given)), st.sampled_from(sorted(FUNCTIONS)), arguments
    )
    compared = st.builds(
        lambda comparator, left, right, rest: Call(
            function="IIF", arguments=(Comparison(comparator=comparator, left=left, right=right), *rest)
        ),
        st.sampled_from(Comparator),
        inner,
        inner,
        st.lists(inner, max_size=2),
    )
    return plain | compared


TREES = st.recursive(LEAVES, calls, max_leaves=12)
PIECES = st.sampled_from(
    [*FUNCTIONS, *'()[],"\\=<>&-', "&H1F", "[a]", '"b"', "12", " ", "vbTextCompare", "IIF(", "Join(", "Replace("]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | TEXTS
    | st.binary(max_size=3)
    | st.sampled_from(["2021-08-25", "8/25/2021 5:41:18 PM", "True", "7", "aXbX", "20150123105347.1Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)


@given(TREES)
def test_what_is_printed_is_parsed_back(tree: Node) -> None:
    assert parse_operand(print_tree(tree)) == tree
    assert from_source(to_source(tree)) == tree


@given(st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60))
def test_no_text_breaks_the_compiler(text: str) -> None:
    try:
        compile_expression(text)
    except ExpressionError as error:
        assert 1 <= error.position <= len(text) + 1


def compiled(draw: st.DrawFn, depth: int) -> str:
    """Draw an expression that compiles as far as counts go."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(["[a]", "[b]", "[c]", '"aXbX"', "3", '"2021-08-25"', '"X"', "0", '"True"']))
    function = FUNCTIONS[draw(st.sampled_from(sorted(set(FUNCTIONS) - {"SelectUniqueValue"})))]
    arguments = []
    for parameter in function.parameters:
        if parameter.takes is Takes.COMPARE_TYPE:
            continue
        if not parameter.required and function.name != "FormatDateTime" and draw(st.booleans()):
            arguments.append("")
        elif parameter.name == "interval":
            arguments.append(draw(st.sampled_from(['"d"', '"m"', '"ww"', "[a]"])))
        elif parameter.name == "dateTimeStyles":
            arguments.append("")
        else:
            arguments.append(compiled(draw, depth - 1))
    return f"{function.name}({', '.join(arguments)})"


@st.composite
def expressions(draw: st.DrawFn) -> Expression | None:
    text = compiled(draw, 3)
    try:
        return compile_expression(text)
    except ExpressionError:
        return None


@given(expressions(), st.fixed_dictionaries({"a": VALUES, "b": VALUES}))
def test_an_evaluation_gives_a_value_or_an_evaluation_error_and_the_same_again(
    expression: Expression | None, record: dict[str, Any]
) -> None:
    if expression is None:
        return
    try:
        first = expression.evaluate(record, EXAMPLE_CONTEXT)
    except EvaluationError as error:
        assert error.function in {*FUNCTIONS, "comparison"}
        return
    assert repr(first) == repr(expression.evaluate(record, EXAMPLE_CONTEXT))
    if expression.tree != Attribute(name="a"):
        assert isinstance(first, str | int | float | Decimal | bool | list | tuple | dict | bytes | Ignore | None)


def value(expression: str, **attributes: Any) -> Any:
    return compile_expression(expression).evaluate(attributes, EXAMPLE_CONTEXT)


@given(st.text(max_size=200))
def test_base64_and_hexadecimal_are_those_of_the_standard_library(text: str) -> None:
    assert base64.b64decode(value("ConvertToBase64([x])", x=text)).decode("utf-16-le") == text
    assert bytes.fromhex(value("ConvertToUTF8Hex([x])", x=text)).decode() == text


@given(st.text("aXb\U0001f600", max_size=20), st.integers(-2, 22), st.integers(1, 22))
def test_left_mid_and_len_count_as_utf16_does(text: str, count: int, start: int) -> None:
    data = text.encode("utf-16-le")
    expected = data if count < 0 else data[: count * 2]
    assert value(f"Left([x], {count})", x=text) == expected.decode("utf-16-le", "replace")
    assert value("Len([x])", x=text) == len(data) // 2
    cut = data[(start - 1) * 2 : (start + 4) * 2]
    assert value(f"Mid([x], {start}, 5)", x=text) == cut.decode("utf-16-le", "replace")


@given(
    st.integers(0, 600 * 365 * 86_400).map(
        lambda seconds: datetime(1700, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    st.sampled_from([("d", 86_400), ("ww", 604_800), ("h", 3_600), ("n", 60), ("s", 1)]),
    st.integers(-1_000, 1_000),
)
def test_dates_add_and_differ_as_the_standard_library_has_it(
    moment: datetime, interval: tuple[str, int], count: int
) -> None:
    name, seconds = interval
    begun = moment_from(moment).canonical()
    ended = moment_from(moment + timedelta(seconds=seconds * count)).canonical()
    assert value(f'DateAdd("{name}", {count}, [x])', x=begun) == ended
    assert value(f'DateDiff("{name}", [x], [y])', x=begun, y=ended) == count
    assert value(f'DateAdd("{name}", {-count}, DateAdd("{name}", {count}, [x]))', x=begun) == begun
    assert value("CDate([x])", x=moment.isoformat()) == begun
    assert value("DateFromNum(NumFromDate([x]))", x=begun) == begun


@given(st.text("ab.X*", max_size=20), st.text("ab.X*", min_size=1, max_size=3), st.text("ab$X\\", max_size=4))
def test_replace_with_a_text_is_replace_with_its_escaped_pattern(text: str, old: str, new: str) -> None:
    literally = value("Replace([x], [old], , , [new], , )", x=text, old=old, new=new)
    by_pattern = value("Replace([x], , [p], , [r], , )", x=text, p=re.escape(old), r=new.replace("$", "$$"))
    assert literally == by_pattern == text.replace(old, new)


@given(st.text(r"ab|*+?()[]{}^$.\1wdp-<>:=!iI,", max_size=25), st.text("abI-1 \n", max_size=10))
def test_no_pattern_breaks_the_regular_expressions(pattern: str, text: str) -> None:
    try:
        compile_pattern(pattern).search(text)
    except PatternError as error:
        assert error.position <= len(pattern) + 1
    except PatternTimeoutError:
        pass


@given(st.text("abc019 .$", max_size=12), st.text("abc019", min_size=1, max_size=3))
def test_simple_patterns_match_where_the_standard_library_matches(text: str, part: str) -> None:
    for pattern in (re.escape(part), f"[{part}]+", f"^{part}", f"({part}|b)c?", rf"{part}\d*"):
        assert compile_pattern(pattern).search(text) == bool(re.search(pattern, text))
        assert compile_pattern(pattern).replace(text, "<$0>") == re.sub(pattern, r"<\g<0>>", text)


@given(st.text(max_size=30))
def test_guids_are_guids_whatever_the_seed(seed: str) -> None:
    context = type(EXAMPLE_CONTEXT)(now=EXAMPLE_CONTEXT.now, seed=seed)
    guid = compile_expression("Guid()").evaluate({}, context)
    assert uuid.UUID(str(guid)).version == 4


@given(st.lists(TEXTS, max_size=5), st.sampled_from([", ", "", "-"]))
def test_join_leaves_empty_values_out(values: list[str], separator: str) -> None:
    tree = Call(function="Join", arguments=(Text(text=separator), Attribute(name="x")))
    assert compile_tree(tree).evaluate({"x": values}, EXAMPLE_CONTEXT) == separator.join(one for one in values if one)
    assert value(f"Join({quoted(separator)}, [x])", x=values) == separator.join(one for one in values if one)
