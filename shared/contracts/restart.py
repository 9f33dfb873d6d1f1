"""What each administrative action forgets of a job (Microsoft Graph, "synchronizationJob: restart" and ``resetScope``)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from shared.contracts.control import ResetScope

RESTART: Final = frozenset({ResetScope.QUARANTINE_STATE, ResetScope.WATERMARK, ResetScope.ESCROWS})
"""What "Restart provisioning" forgets, and a restart without a scope."""
FULL: Final = RESTART | {ResetScope.CONNECTOR_DATA_STORE}
"""Everything: also the links, so that every account is matched anew."""


class Action(StrEnum):
    """What an administrator does to a job besides a restart with scopes."""

    START = "start"
    PAUSE = "pause"
    SAVE_SCHEMA = "saveSchema"
    SYNC_ASSIGNED = "syncAssigned"
    CHANGE_CREDENTIALS = "changeCredentials"


FORGETS: Final[dict[Action, frozenset[ResetScope]]] = {
    Action.START: frozenset({ResetScope.QUARANTINE_STATE}),
    Action.PAUSE: frozenset(),
    Action.SAVE_SCHEMA: frozenset({ResetScope.WATERMARK, ResetScope.ESCROWS}),
    Action.SYNC_ASSIGNED: frozenset({ResetScope.WATERMARK}),
    Action.CHANGE_CREDENTIALS: frozenset(),
}
"""What each action forgets. Going from all users to assigned ones restarts by itself; in Entra an administrator has to know that."""

_BY_WORD: Final = {scope.value.casefold(): frozenset({scope}) for scope in ResetScope} | {"full": FULL}


def parse_reset_scope(text: str) -> frozenset[ResetScope]:
    """Return what a comma-separated ``resetScope`` forgets; nothing means "Restart provisioning".

    Raises ``ValueError`` naming what is no scope; the message says what there is.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    scopes: frozenset[ResetScope] = frozenset()
    for word in words:
        if word.casefold() == "none":
            raise ValueError("None forgets nothing; to run a paused job, start it")
        if word.casefold() not in _BY_WORD:
            known = ", ".join(["Full", *ResetScope])
            raise ValueError(f"{word[:40]} is no reset scope; there are {known}")
        scopes |= _BY_WORD[word.casefold()]
    return scopes or RESTART


def ask(
    restarts: int, resets: Mapping[ResetScope, int], scopes: frozenset[ResetScope]
) -> tuple[int, dict[ResetScope, int]]:
    """Return ``restarts`` and ``resets`` of a job record with one more request for each scope."""
    asked = dict(resets)
    for scope in sorted(scopes - {ResetScope.WATERMARK}):
        asked[scope] = asked.get(scope, 0) + 1
    return restarts + (ResetScope.WATERMARK in scopes), asked
