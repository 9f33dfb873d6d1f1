"""A filter typed at the command line, put into a schema as Graph and Entra write one."""

from typing import Any

import pytest

from cli.failures import CommandFailedError
from cli.filter_clauses import with_filter
from shared.schema.filter_operators import OPERATORS


@pytest.mark.parametrize(
    "document",
    [{"synchronizationRules": None}, {"synchronizationRules": [{"objectMappings": None}]}, {}],
    ids=["no rules", "no mappings", "nothing"],
)
def test_null_in_the_place_of_what_is_empty_maps_no_users(document: dict[str, Any]) -> None:
    with pytest.raises(CommandFailedError, match="no mapping of users"):
        with_filter(document, ["city IS NULL"], list(OPERATORS))


@pytest.mark.parametrize("name", ["User", "user", "urn:ietf:params:scim:schemas:core:2.0:User"])
def test_users_are_found_however_they_are_named(name: str) -> None:
    mapping = {"sourceObjectName": name, "scope": None}
    changed = with_filter({"synchronizationRules": [{"objectMappings": [mapping]}]}, ["city IS NULL"], list(OPERATORS))
    (group,) = changed["synchronizationRules"][0]["objectMappings"][0]["scope"]["groups"]
    assert [clause["operatorName"] for clause in group["clauses"]] == ["IS NULL"]
