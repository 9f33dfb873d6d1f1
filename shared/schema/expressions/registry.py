"""The functions of the language: the source of the REST metadata and of ``docs/expressions.md``."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.schema.expressions.function import Function
from shared.schema.expressions.functions import (
    dates,
    flow,
    logic,
    numbers,
    random_values,
    replacing,
    roles,
    several,
    texts,
)

_MODULES: Final = (dates, flow, logic, numbers, random_values, replacing, roles, several, texts)

FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        function.name: function
        for function in sorted(
            (function for module in _MODULES for function in module.FUNCTIONS),
            key=lambda function: function.name.lower(),
        )
    }
)
"""Every function by its name, in alphabetical order."""
