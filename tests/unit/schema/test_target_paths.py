"""Paths of attributes at the target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.schema.target_paths import TargetPath, TargetPathError, ValueFilter, parse_target_path

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

GOOD = [
    ("userName", TargetPath(attribute="userName")),
    ("name.givenName", TargetPath(attribute="name", sub_attribute="givenName")),
    (
        'emails[type eq "work"].value',
        TargetPath(attribute="emails", filter=ValueFilter(attribute="type", value="work"), sub_attribute="value"),
    ),
    (
        'roles[primary eq "True"].value',
        TargetPath(attribute="roles", filter=ValueFilter(attribute="primary", value="True"), sub_attribute="value"),
    ),
    (f"{ENTERPRISE}:department", TargetPath(attribute="department", schema=ENTERPRISE)),
    (f"{ENTERPRISE}:manager.value", TargetPath(attribute="manager", schema=ENTERPRISE, sub_attribute="value")),
    ("urn:ietf:params:scim:schemas:core:2.0:User:userName", TargetPath(attribute="userName")),
    ('emails[type eq "a:b.c]"]', TargetPath(attribute="emails", filter=ValueFilter(attribute="type", value="a:b.c]"))),
    ("roles[primary eq true]", TargetPath(attribute="roles", filter=ValueFilter(attribute="primary", value="true"))),
]


@pytest.mark.parametrize(("text", "path"), GOOD, ids=[text for text, _ in GOOD])
def test_a_path_is_taken_apart(text: str, path: TargetPath) -> None:
    assert parse_target_path(text) == path


BAD = [
    ("", 1),
    ("a.b.c", 4),
    ("9lives", 1),
    ("emails[", 8),
    ('emails[type ne "work"].value', 12),
    ("emails[type eq work].value", 16),
    ('emails[type eq "work".value', 22),
    ("user name", 5),
    ("urn:x", 1),
    ("name.", 6),
    ("a" * 500, 401),
]


@pytest.mark.parametrize(("text", "position"), BAD, ids=[text[:30] or "empty" for text, _ in BAD])
def test_what_is_no_path_is_told_with_its_place(text: str, position: int) -> None:
    with pytest.raises(TargetPathError) as error:
        parse_target_path(text)
    assert error.value.position == position
    assert error.value.expected


def test_spellings_of_one_attribute_have_one_key_and_values_keep_their_case() -> None:
    assert (
        parse_target_path("USERNAME").key
        == parse_target_path("urn:ietf:params:scim:schemas:core:2.0:User:userName").key
    )
    assert (
        parse_target_path('Emails[TYPE EQ "work"].Value').key == parse_target_path('emails[type eq "work"].value').key
    )
    assert (
        parse_target_path('emails[type eq "Work"].value').key != parse_target_path('emails[type eq "work"].value').key
    )


NAME = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,10}", fullmatch=True)


@given(NAME, st.none() | st.just(ENTERPRISE), st.none() | NAME, st.none() | st.text(max_size=10), NAME)
def test_every_path_that_is_written_by_the_rules_is_read_back(
    attribute: str, schema: str | None, sub: str | None, value: str | None, filtered: str
) -> None:
    quoted = "" if value is None else value.replace("\\", "\\\\").replace('"', '\\"')
    text = f"{schema}:" if schema else ""
    text += attribute + (f'[{filtered} eq "{quoted}"]' if value is not None else "") + (f".{sub}" if sub else "")
    path = parse_target_path(text)
    assert (path.attribute, path.schema, path.sub_attribute) == (attribute, schema, sub)
    assert path.filter == (None if value is None else ValueFilter(attribute=filtered, value=value))


@given(st.text(max_size=60))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        parse_target_path(text)
    except TargetPathError as error:
        assert 1 <= error.position <= len(text) + 1
