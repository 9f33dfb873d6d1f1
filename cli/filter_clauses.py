"""Scoping filters as they are typed: ``department EQUALS Sales`` becomes a clause of the schema."""

import copy
from collections.abc import Sequence
from typing import Any

from cli.failures import CommandFailedError
from shared.contracts.message import ObjectType
from shared.schema.target_attributes import object_type_of


def with_filter(document: dict[str, Any], filters: Sequence[str], operators: Sequence[str]) -> dict[str, Any]:
    """Return the schema with these clauses as the one scoping filter of users; all of them have to hold.

    Raises ``CommandFailedError`` for what is no clause, and when users are not mapped.
    """
    clauses = [clause(text, operators) for text in filters]
    changed = copy.deepcopy(document)
    found = [
        mapping
        for rule in changed.get("synchronizationRules") or ()  # Graph writes null for what is empty
        for mapping in rule.get("objectMappings") or ()
        if object_type_of(str(mapping.get("sourceObjectName"))) is ObjectType.USER
    ]
    if not found:
        raise CommandFailedError("The schema has no mapping of users, so there is nothing to filter.")
    for mapping in found:
        mapping["scope"] = {**(mapping.get("scope") or {}), "groups": [{"name": "Filter", "clauses": clauses}]}
    return changed


def clause(text: str, operators: Sequence[str]) -> dict[str, Any]:
    """Return the clause of a text ``ATTRIBUTE OPERATOR VALUE``; the longest operator that fits is meant. Raises ``CommandFailedError``."""
    attribute, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    for operator in sorted(operators, key=len, reverse=True):
        after = rest[len(operator) :]
        if rest.casefold().startswith(operator.casefold()) and (not after or after[0].isspace()):
            value = after.strip()
            return {
                "sourceOperandName": attribute,
                "operatorName": operator,
                "targetOperand": {"values": [value] if value else []},
            }
    raise CommandFailedError(
        f'A filter is an attribute, an operator and a value, such as "department EQUALS Sales". Operators: {", ".join(operators)}.'
    )
