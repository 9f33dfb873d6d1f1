"""What our object mappings can be told beyond Entra's: entries of ``metadata``, the place that Graph leaves for extensions.

Their keys begin with ``Seatkeeper.``, so an export of ours can be imported into Entra, which keeps what it does not know, and back.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import Metadata
from shared.contracts.templates.template import Capabilities

PREFIX: Final = "Seatkeeper."
FORMAT_KEY: Final = f"{PREFIX}Format"
FLOW_NULL_VALUES: Final = f"{PREFIX}FlowNullValues"
KEEP_MANAGING: Final = f"{PREFIX}KeepManagingReleasedLinks"


class Event(StrEnum):
    """Why an object leaves: what of the source makes its account go (the rows of Entra's deprovisioning)."""

    UNASSIGNED = "Unassigned"
    FILTERED_OUT = "FilteredOut"
    BLOCKED = "Blocked"
    SOFT_DELETED = "SoftDeleted"
    HARD_DELETED = "HardDeleted"


class Action(StrEnum):
    """What is done at the target then."""

    NONE = "none"
    DISABLE = "disable"
    DELETE = "delete"
    SET_ATTRIBUTE = "setAttribute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprovisioning:
    """What is done at one event; ``attribute`` and ``value`` belong to ``setAttribute``."""

    action: Action
    attribute: str | None = None
    value: Any = None


class OptionError(ValueError):
    """A ``Seatkeeper.`` entry that cannot be taken. ``key`` names it, ``remedy`` says what would be right."""

    def __init__(self, key: str, message: str, remedy: str) -> None:
        super().__init__(f"{message}; {remedy}")
        self.key = key
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one object mapping, each with its default where nothing is said."""

    flow_null_values: bool
    keep_managing_released_links: bool
    deprovisioning: Mapping[Event, Deprovisioning]


OPTION_KEYS: Final = frozenset({FLOW_NULL_VALUES, KEEP_MANAGING, *(f"{PREFIX}When{event}" for event in Event)})


def read_options(metadata: Metadata, object_type: ObjectType, capabilities: Capabilities) -> Options:
    """Return the options of an object mapping; raises ``OptionError`` for the first entry that cannot be taken."""
    said = {entry.key: entry.value for entry in metadata if entry.key.startswith(PREFIX)}
    for key in said:
        if key not in OPTION_KEYS:
            raise OptionError(key, f"{key} is not known", f"use one of {', '.join(sorted(OPTION_KEYS))}")
    deprovisioning = default_deprovisioning(object_type, capabilities)
    for event in Event:
        key = f"{PREFIX}When{event}"
        if key in said:
            deprovisioning[event] = _deprovisioning(key, said[key])
    return Options(
        flow_null_values=_switch(said, FLOW_NULL_VALUES),
        keep_managing_released_links=_switch(said, KEEP_MANAGING),
        deprovisioning=deprovisioning,
    )


def default_deprovisioning(object_type: ObjectType, capabilities: Capabilities) -> dict[Event, Deprovisioning]:
    """Return what Entra does: users are disabled, and deleted with the last trace in the directory; groups are deleted."""
    if object_type is ObjectType.GROUP:
        action = Action.DELETE if capabilities.group_delete else Action.NONE
        return {event: Deprovisioning(action=Action.NONE if event is Event.BLOCKED else action) for event in Event}
    last = Action.DELETE if capabilities.delete else Action.DISABLE
    return {event: Deprovisioning(action=last if event is Event.HARD_DELETED else Action.DISABLE) for event in Event}


def read_switch(metadata: Metadata, key: str) -> bool | None:
    """Return what a switch of ``metadata`` says, or nothing when it is not there; raises ``OptionError``."""
    said = {entry.key: entry.value for entry in metadata}
    return _switch(said, key) if key in said else None


def _switch(said: Mapping[str, str], key: str) -> bool:
    word = said.get(key, "true").strip().casefold()
    if word not in {"true", "false"}:
        raise OptionError(key, f"{key} is a switch", "set it to true or false")
    return word == "true"


def _deprovisioning(key: str, text: str) -> Deprovisioning:
    word = text.strip()
    if word in {Action.NONE, Action.DISABLE, Action.DELETE}:
        return Deprovisioning(action=Action(word))
    try:
        said = json.loads(word)
        attribute, value = said["setAttribute"], said["value"]
    except (ValueError, KeyError, TypeError):
        attribute = value = None
    if not isinstance(attribute, str) or not isinstance(value, str | bool | int):
        raise OptionError(
            key,
            f"{key} does not name an action",
            'use none, disable, delete, or {"setAttribute": "title", "value": "Left"} with an attribute of the target',
        )
    return Deprovisioning(action=Action.SET_ATTRIBUTE, attribute=attribute, value=value)
