"""Functions on numbers, and numbers as text."""

from typing import Any, Final

from shared.schema.expressions.function import Example, Function, Parameter, Type, eager
from shared.schema.expressions.values import as_text


def bit_and(value1: int | None, value2: int | None) -> int | None:
    """Return the bits that both numbers have."""
    return None if value1 is None or value2 is None else value1 & value2


def to_text(value: Any) -> str | None:
    """Return a value as text."""
    return as_text(value, "value")


FUNCTIONS: Final = (
    Function(
        name="BitAnd",
        parameters=(Parameter(name="value1", type=Type.INTEGER), Parameter(name="value2", type=Type.INTEGER)),
        rule="The bits that both numbers have; null when one is null.",
        examples=(Example(expression="BitAnd(&HF, &HF7)", result=7),),
        build=eager(bit_and),
    ),
    Function(
        name="CStr",
        parameters=(Parameter(name="value", type=Type.OBJECT),),
        rule="The value as text; booleans become True and False.",
        examples=(Example(expression="CStr([employeeNumber])", attributes={"employeeNumber": 42}, result="42"),),
        build=eager(to_text),
    ),
)
