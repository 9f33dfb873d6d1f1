"""The page that lists the functions, made from their definitions.

``python -m shared.schema.expressions.documentation FILE`` writes it, ``--check`` only compares.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from shared.schema.expressions.function import Example, Function
from shared.schema.expressions.registry import FUNCTIONS
from shared.schema.expressions.values import EvaluationContext, Ignore

EXAMPLE_CONTEXT: Final = EvaluationContext(
    now=datetime(2021, 7, 2, 15, 33, 38, tzinfo=UTC), seed="s", default_domain="contoso.com"
)
"""What the examples are evaluated with."""

HEADER: Final = """\
# Expressions

Generated from `shared/schema/expressions`; `make generate` writes it anew, and the tests execute every example.

An expression is what a mapping of type Expression computes from the attributes of a user or group, in the language of
Microsoft Entra: one function call, with `[attribute]`, `"text"` (`\\\\` for a backslash, `\\"` for a quote), numbers, `&H`
numbers and other calls as arguments. An argument may be left out between its commas. Names are case-sensitive. At most
10,000 characters, 64 functions inside each other, 20 regular expressions. A result has at most 65,536 characters.

* Comparisons stand only as the condition of `IIF` and in `CBool`. One with a null or empty operand that is no literal
  fails, also `<>`.
* `IgnoreAttributeFlow` and `IgnoreObjectFlow` stand as a branch of `IIF` or `Switch`: nothing flows to the attribute, or
  to the object.
* Dates are texts, `M/d/yyyy h:mm:ss tt` in UTC. Formats, regular expressions and casing are those of .NET in the invariant
  culture. A regular expression gets a quarter of a second for one text. Balancing groups are refused.
* Where a function takes one text, an attribute with one value counts as that value; several values are an error that names
  `Item` and `Join`.
* `Guid`, `RandomString` and `Now` repeat their value when a change is decided again
  ([decision 0031](decisions/0031-repeatable-random-values.md)).

| function | rule | example | result |
|---|---|---|---|
"""


def page() -> str:
    """Return the Markdown page."""
    return HEADER + "".join(_row(function) for function in FUNCTIONS.values())


def _row(function: Function) -> str:
    examples = "<br>".join(_code(_with_attributes(example)) for example in function.examples)
    results = "<br>".join(_code(_shown(example.result)) for example in function.examples)
    return f"| {_code(function.signature)} | {_cell(function.rule)} | {examples} | {results} |\n"


def _with_attributes(example: Example) -> str:
    held = [
        f"{name} {_shown(value)}" for name, value in example.attributes.items() if f"[{name}]" in example.expression
    ]
    return f"{example.expression} with {', '.join(held)}" if held else example.expression


def _shown(value: Any) -> str:
    return value.value if isinstance(value, Ignore) else json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<>", "`<>`").replace("${name}", "`${name}`")


def _code(text: str) -> str:
    ticks = "``" if "`" in text else "`"
    return f"{ticks}{text.replace('|', '&#124;')}{ticks}"


def main() -> int:
    """Write the page, or with ``--check`` exit with 1 when it is stale."""
    parser = argparse.ArgumentParser(description="docs/expressions.md from the functions.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if not arguments.check:
        arguments.file.write_text(page(), "utf-8")
    elif not arguments.file.exists() or arguments.file.read_text("utf-8") != page():
        sys.stderr.write(f"{arguments.file} is not what the code says; run: make generate\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
