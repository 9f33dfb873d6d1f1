"""What a restart forgets, by the words of Microsoft Graph."""

import pytest

from shared.contracts.control import ResetScope
from shared.contracts.restart import FULL, RESTART, ask, parse_reset_scope


@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        ("", RESTART),
        (" , ", RESTART),
        ("Full", FULL),
        ("Watermark", {ResetScope.WATERMARK}),
        ("Watermark, Escrows,quarantinestate", RESTART),
        ("forcedeletes", {ResetScope.FORCE_DELETES}),
        ("ConnectorDataStore", {ResetScope.CONNECTOR_DATA_STORE}),
    ],
)
def test_a_reset_scope_is_a_list_of_words(text: str, scopes: set[ResetScope]) -> None:
    assert parse_reset_scope(text) == scopes


def test_none_and_unknown_words_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="start it"):
        parse_reset_scope("None")
    with pytest.raises(ValueError, match="Everything is no reset scope; there are Full, Watermark"):
        parse_reset_scope("Watermark, Everything")


def test_what_is_asked_for_is_counted() -> None:
    once = ask(0, {}, FULL)
    assert once == (1, {ResetScope.CONNECTOR_DATA_STORE: 1, ResetScope.ESCROWS: 1, ResetScope.QUARANTINE_STATE: 1})
    assert ask(*once, frozenset({ResetScope.ESCROWS}))[1][ResetScope.ESCROWS] == 2
