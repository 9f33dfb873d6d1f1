"""$filter: what is taken is read exactly, everything else is refused without being repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.odata import FilterError, read_filter

PROPERTIES = {"jobId": "job", "sourceIdentity/id": "person", "statusInfo/status": "status"}


def test_equality_joined_by_and() -> None:
    text = "jobId eq 'a' and sourceIdentity/id eq 'it''s' AND statusInfo/status eq 'failure'"
    assert read_filter(text, PROPERTIES) == {"job": "a", "person": "it's", "status": "failure"}


@given(st.text(alphabet=st.characters(exclude_characters="\x00", codec="utf-8"), max_size=60))
def test_any_text_can_be_asked_for(value: str) -> None:
    quoted = value.replace("'", "''")
    assert read_filter(f"jobId eq '{quoted}'", PROPERTIES) == {"job": value}


@given(st.text(max_size=80))
def test_what_is_not_understood_is_refused_and_never_repeated(text: str) -> None:
    said = ""
    try:
        assert set(read_filter(text, PROPERTIES)) <= set(PROPERTIES.values())
    except FilterError as error:
        said = str(error)
    assert len(text.strip()) < 12 or text.strip() not in said


@pytest.mark.parametrize(
    "text",
    [
        "jobId ne 'a'",
        "jobId eq a",
        "jobId eq 'a' or jobId eq 'b'",
        "jobId eq 'a' and jobId eq 'b'",
        "jobId eq 'a' and",
        "and",
        "'a' eq jobId",
        "displayName eq 'a'",
        "jobId eq 'a' garbage",
        "jobId eq 'a\x00'",
        "jobId eq '" + "a" * 1001 + "'",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(FilterError):
        read_filter(text, PROPERTIES)
