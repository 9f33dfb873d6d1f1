"""The examples of the functions, and what Microsoft's pages print, as far as it follows from the expressions."""

from typing import Any

import pytest

from shared.schema.expressions import FUNCTIONS, Example, compile_expression
from shared.schema.expressions.documentation import EXAMPLE_CONTEXT, page

EXAMPLES = [
    pytest.param(example, id=f"{function.name}-{index}")
    for function in FUNCTIONS.values()
    for index, example in enumerate(function.examples, 1)
]
PHONE = r'"\\+(?<isdCode>\\d* )(?<phoneNumber>\\d{10})"'
STATE = 'Switch([state], "Australia/Sydney", "NSW", "Australia/Sydney","QLD", "Australia/Brisbane", "SA", "Australia/Adelaide")'
DATED = 'NumFromDate(Join("", FormatDateTime([ContractEndDate], ,"yyyy-MM-ddzzz","yyyy-MM-dd"), " 23:59:59-08:00"))'


def value(expression: str, **attributes: Any) -> Any:
    return compile_expression(expression).evaluate(attributes, EXAMPLE_CONTEXT)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_documentation_has_its_result(example: Example) -> None:
    assert compile_expression(example.expression).evaluate(example.attributes, EXAMPLE_CONTEXT) == example.result


def test_there_are_47_functions_and_each_is_documented_with_an_example() -> None:
    assert len(FUNCTIONS) == 47
    text = page()
    for function in FUNCTIONS.values():
        assert function.examples
        assert function.signature in text


@pytest.mark.parametrize(
    ("expression", "attributes", "result"),
    [
        ('CDate("2020-03-16-07:00")', {}, "3/16/2020 7:00:00 AM"),
        ('CDate("2009-06-15T01:45:30-07:00")', {}, "6/15/2009 8:45:30 AM"),
        ('DateDiff("d", "8/25/2021 5:41:18 PM", "2012-03-16-07:00")', {}, -3449),
        ('DateDiff("ww", "8/25/2021 5:41:18 PM", "2012-03-16-07:00")', {}, -493),
        ('DateDiff("m", "8/25/2021 5:41:18 PM", "2012-03-16-07:00")', {}, -113),
        ('DateDiff("yyyy", "8/25/2021 5:41:18 PM", "2012-03-16-07:00")', {}, -9),
        ('DateDiff("h", CDate("2021-08-24"), CDate("2021-08-25"))', {}, 24),
        ('DateDiff("n", CDate("2021-08-24"), CDate("2021-08-25"))', {}, 1440),
        ('DateDiff("s", CDate("2021-08-24"), CDate("2021-08-25"))', {}, 86400),
        (DATED, {"ContractEndDate": "2020-12-31-08:00"}, 132539615990000000),
        (STATE, {"state": "QLD"}, "Australia/Brisbane"),
        (STATE, {"state": "qld"}, "Australia/Sydney"),
        ('Switch([IsSoftDeleted], , "False", "True", "True", "False")', {"IsSoftDeleted": True}, "False"),
        ("Not([IsSoftDeleted])", {"IsSoftDeleted": False}, True),
        ('Join(" ", [givenName], [surname])', {"givenName": "Ada", "surname": "Doe"}, "Ada Doe"),
        ('Join(" ", [givenName], [surname])', {"surname": "Doe"}, "Doe"),
        (f'Replace([phone], , {PHONE}, , "${{phoneNumber}}", , )', {"phone": "+91 9998887777"}, "9998887777"),
        (r'Replace([mobile], , "[()\\s-]+", , "", , )', {"mobile": "+1 (999) 888-7777"}, "+19998887777"),
        ('Replace([x],"-", , , "_", , )', {"x": "en-US"}, "en_US"),
        ('Mid([x],"1","2")', {"x": "abc"}, "ab"),
        ("Mid \t([x], 1, 2)", {"x": "abc"}, "ab"),
        ("ToLower([x], )", {"x": "ABC"}, "abc"),
        ('FormatDateTime([x], "yyyy-MM-dd", "d")', {"x": "2021-08-25"}, "08/25/2021"),
        ('FormatDateTime([x], "yyyy-MM-dd", "%d")', {"x": "2021-08-05"}, "5"),
        ("DateFromNum(9007199254740993)", {}, "7/17/1629 11:58:45 PM"),
        ('Left("John Doe", 0)', {}, ""),
        ('Left("John Doe", -1)', {}, "John Doe"),
        ("Left([x], 3)", {}, ""),
        ('Word("a,,b", 2, ",")', {}, "b"),
        ('Word("a b", 0, " ")', {}, ""),
        ('InStr("abc", "x")', {}, 0),
        ('InStr("ABC", "b", 1, vbTextCompare)', {}, 2),
        ("Count([proxyAddresses])", {}, 0),
        ("Coalesce([a], [b])", {}, None),
        ('Coalesce([a], "")', {}, ""),
        ('PCase("PINTO-DE\'SILVA")', {}, "Pinto-De'silva"),
        ('PCase("JOHN DOE-SMITH", " ")', {}, "John Doe-smith"),
        ("BitAnd(-1, &HFF)", {}, 255),
        ('CBool("0")', {}, False),
        ("CBool(2)", {}, True),
    ],
)
def test_what_follows_from_the_pages_of_microsoft(expression: str, attributes: dict[str, Any], result: Any) -> None:
    assert value(expression, **attributes) == result
