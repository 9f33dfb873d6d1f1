"""The switches of the simulator: where public text about the service is silent or contradicts itself, both ways are here.

Defaults are the behaviour that public documentation makes most likely. `GET|PATCH /_sim/settings` and `--setting NAME=VALUE`
take the same names.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

_CHOICES: Final[dict[str, tuple[object, ...]]] = {
    "listWithoutFilter": ("501", "400", "403", "list"),
    "unsupportedFilter": ("invalidFilter", "emptyList"),
    "deleteUser": ("405", "501", "deactivate", "remove"),
    "uniqueness": ("conflict", "allow"),
    "preexisting": ("conflict", "link"),
    "unknownManager": ("reject", "drop", "keep"),
    "unknownMember": ("reject", "notFound", "drop", "keep"),
    "deleteGroup": ("remove", "405", "501"),
    "errorStatus": ("string", "integer"),
    "patchUserStatus": (200, 204),
}
_SUBSETS: Final[dict[str, frozenset[str]]] = {
    "userFilters": frozenset({"externalId", "userName", "id", "emails"}),
    "required": frozenset({"externalId", "userName", "email"}),
}


class SettingError(ValueError):
    """A setting that does not exist or cannot have that value; `field` names it."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.field = name


@dataclass(slots=True, kw_only=True)
class Settings:
    """One field for each switch, spelled as on the wire.

    `listWithoutFilter`: status, or "list" to page through all. `unsupportedFilter`: 400, or an empty list. `userFilters`:
    attributes that can be filtered on. `deleteUser`: status, deactivate (204), or remove (204, gone). `discovery`: serve
    ServiceProviderConfig, Schemas, ResourceTypes. `uniqueness`: 409, or let duplicates in. `preexisting`: a create whose user
    name or e-mail belongs to an account without externalId conflicts, or takes that account over. `unknownManager`,
    `unknownMember`: references to nobody (a member: 400, 404, passed over, or kept). `deleteGroup`: status, or remove.
    `mostMembers`: how many members one request may name before it is answered 413; 0 is without a limit. `required`:
    attributes a user must have. `monthlyAssignmentCap`: at most as many license assignments in a calendar month (UTC) as
    there are seats. `latencyMs`: added to every SCIM request.
    """

    listWithoutFilter: str = "501"  # noqa: N815 - spelled as on the wire
    unsupportedFilter: str = "invalidFilter"  # noqa: N815 - spelled as on the wire
    userFilters: list[str] = field(default_factory=lambda: ["externalId"])  # noqa: N815 - spelled as on the wire
    deleteUser: str = "405"  # noqa: N815 - spelled as on the wire
    discovery: bool = True
    uniqueness: str = "conflict"
    preexisting: str = "conflict"
    unknownManager: str = "reject"  # noqa: N815 - spelled as on the wire
    unknownMember: str = "reject"  # noqa: N815 - spelled as on the wire
    required: list[str] = field(default_factory=lambda: ["externalId", "userName", "email"])
    deleteGroup: str = "remove"  # noqa: N815 - spelled as on the wire
    mostMembers: int = 0  # noqa: N815 - spelled as on the wire
    errorStatus: str = "string"  # noqa: N815 - spelled as on the wire
    patchUserStatus: int = 200  # noqa: N815 - spelled as on the wire
    monthlyAssignmentCap: bool = False  # noqa: N815 - spelled as on the wire
    latencyMs: float = 0.0  # noqa: N815 - spelled as on the wire

    def change(self, changes: dict[str, Any]) -> None:
        """Set several switches at once; SettingError, with nothing changed, when one is wrong."""
        known = {each.name for each in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise SettingError(name, f"There is no setting of this name; there are {', '.join(sorted(known))}.")
            _check(name, value)
        for name, value in changes.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """All switches, as `GET /_sim/settings` shows them."""
        return asdict(self)


def _check(name: str, value: object) -> None:
    if name in _CHOICES:
        if isinstance(value, bool) or value not in _CHOICES[name]:
            raise SettingError(name, f"Must be one of {', '.join(str(choice) for choice in _CHOICES[name])}.")
    elif name in _SUBSETS:
        if not isinstance(value, list) or not all(isinstance(item, str) and item in _SUBSETS[name] for item in value):
            raise SettingError(name, f"Must be an array of some of {', '.join(sorted(_SUBSETS[name]))}.")
    elif name == "mostMembers":
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise SettingError(name, "Must be a whole number, 0 or more.")
    elif name == "latencyMs":
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise SettingError(name, "Must be a number of milliseconds, 0 or more.")
    elif not isinstance(value, bool):
        raise SettingError(name, "Must be true or false.")
