"""Whole documents: the defaults of templates, exports of Entra, and any document at all."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.templates import TEMPLATES
from shared.contracts.templates.template import Template
from shared.schema.checks import check_schema, read_schema
from shared.schema.compiling import compile_schema, with_parsed_sources
from tests.support.builders_schema import (
    CONTEXT,
    ENTERPRISE,
    LINKEDIN,
    SCIM,
    document,
    entra_export,
    found,
    row,
    with_groups,
)

USERS = "synchronizationRules.0.objectMappings.0"


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_the_default_of_a_template_has_nothing_wrong_with_it(template: Template) -> None:
    assert check_schema(template.schema, template).findings == ()


def test_an_export_of_entra_is_taken_and_survives_the_way_out_and_back() -> None:
    schema = read_schema(entra_export())
    assert [finding.code for finding in check_schema(schema, SCIM).findings] == []
    assert read_schema(schema.document()) == schema
    assert with_parsed_sources(schema) == schema, "what Entra took apart already stays as it is"
    exported = schema.document()
    assert exported["@odata.context"] == entra_export()["@odata.context"]
    assert kept(entra_export(), exported) == []


def kept(before: Any, after: Any, path: str = "") -> list[str]:
    """The places where something that was said before is not said after."""
    if before in (None, False, "", [], {}):
        return [] if after in (None, False, "", [], {}) else [path]
    if isinstance(before, dict):
        return [place for key, value in before.items() for place in kept(value, after.get(key), f"{path}.{key}")]
    if isinstance(before, list):
        if len(before) != len(after):
            return [path]
        return [place for index, value in enumerate(before) for place in kept(value, after[index], f"{path}.{index}")]
    return [] if before == after or (path.endswith("discoverabilities") and before == "None") else [path]


def test_an_export_of_the_generic_application_does_not_fit_linkedin_and_every_row_is_named() -> None:
    findings = found(entra_export(), LINKEDIN)
    named = {finding.message.rpartition(" ")[2] for finding in findings if finding.code == "UnknownTargetAttribute"}
    assert "preferredLanguage" in named
    assert f"{ENTERPRISE}:employeeNumber" in named


def test_an_attribute_of_the_schemas_own_directory_can_be_mapped_where_the_target_is_open() -> None:
    export = entra_export()
    users = export["synchronizationRules"][0]["objectMappings"][1]["attributeMappings"]
    badge = "urn:ietf:params:scim:schemas:extension:Contoso:2.0:User:badge"
    users.append(row(badge, "[extensionAttribute3]"))
    assert found(export) == ()


SOURCES = [
    "[jobTitle]",
    'Append([city], "x")',
    'IIF([city] = "a", [city], IgnoreAttributeFlow)',
    'Replace([city], "a", , , "b", , )',
]
ROWS = st.builds(
    row,
    st.sampled_from(["title", "nickName", 'emails[type eq "work"].value']),
    st.none() | st.sampled_from(SOURCES),
    flowType=st.sampled_from(["Always", "objectaddonly", None]),
    defaultValue=st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters=["\x00"]), max_size=5),
)


@given(st.lists(ROWS, max_size=3, unique_by=lambda item: item["targetAttributeName"]))
def test_what_is_exported_is_imported_as_the_same_schema(rows: list[dict[str, Any]]) -> None:
    schema = read_schema(document(*rows))
    assert read_schema(schema.document()) == schema
    shown = with_parsed_sources(schema)
    assert read_schema(shown.document()) == shown
    assert read_schema(shown.model_dump(mode="json", by_alias=True, exclude_defaults=True)) == shown
    again, once = (compile_schema(item, SCIM).users for item in (shown, schema))
    for record in ({}, {"city": "a", "jobTitle": "b"}):
        assert again.evaluate(record, CONTEXT) == once.evaluate(record, CONTEXT)


EXAMPLES: list[Callable[[], dict[str, Any]]] = [document, entra_export, with_groups]


@given(st.data())
def test_no_document_does_more_than_be_refused(data: Any) -> None:
    made = data.draw(st.sampled_from(EXAMPLES))()
    anything = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=2)
    for _ in range(data.draw(st.integers(1, 3))):
        holder: Any = made
        while True:
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            if not keys:
                break
            key = data.draw(st.sampled_from(list(keys)))
            if isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans() | st.just(True)):
                holder = holder[key]
                continue
            holder[key] = data.draw(anything)
            break
    for template in TEMPLATES.values():
        assert all(finding.remedy and finding.message for finding in found(made, template))
