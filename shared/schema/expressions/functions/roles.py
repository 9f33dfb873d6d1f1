"""Functions on the app roles that a user holds: the attribute ``appRoleAssignments``, a list of ``{id, value, displayName}``."""

from collections.abc import Mapping
from typing import Any, Final

from shared.schema.expressions.errors import UnusableValue
from shared.schema.expressions.function import Example, Function, Parameter, Type, eager
from shared.schema.expressions.values import as_list, kind_of

ROLE_TYPE: Final = "WindowsAzureActiveDirectoryRole"
_ARGUMENT: Final = "appRoleAssignments"


def role_names(roles: Any) -> list[str]:
    """Return the values of all roles; of a role without one, its display name."""
    return [name for role in as_list(roles) if (name := _name(role))]


def single_role(roles: Any) -> str | None:
    """Return one role. Of several, the one whose name sorts first, so that a repeat gives the same."""
    return min(role_names(roles), default=None)


def complex_roles(roles: Any) -> list[Any]:
    """Return all roles as complex SCIM values, none of them primary."""
    return [
        {
            "id": _part(role, "id"),
            "value": name,
            "displayName": _part(role, "displayName") or name,
            "primary": False,
            "type": ROLE_TYPE,
        }
        for role in as_list(roles)
        if (name := _name(role))
    ]


def _name(role: Any) -> str:
    return role if isinstance(role, str) else _part(role, "value") or _part(role, "displayName")


def _part(role: Any, name: str) -> str:
    if isinstance(role, str):
        return ""
    if not isinstance(role, Mapping):
        raise UnusableValue(_ARGUMENT, f"holds {kind_of(role)} where an app role is needed")
    part = role.get(name)
    if part is not None and not isinstance(part, str):
        raise UnusableValue(_ARGUMENT, f"holds a role whose {name} is {kind_of(part)}")
    return part or ""


_PARAMETERS: Final = (Parameter(name=_ARGUMENT, type=Type.OBJECT, key="source"),)
_HELD: Final = {
    _ARGUMENT: [
        {"id": "00000000-0000-0000-0000-000000000001", "value": "Admin", "displayName": "Administrator"},
        {"id": "00000000-0000-0000-0000-000000000002", "value": "User", "displayName": "User"},
    ]
}
_COMPLEX: Final = complex_roles(_HELD[_ARGUMENT])

FUNCTIONS: Final = (
    Function(
        name="AppRoleAssignments",
        parameters=_PARAMETERS,
        rule="The values of all roles.",
        examples=(
            Example(expression="AppRoleAssignments([appRoleAssignments])", attributes=_HELD, result=["Admin", "User"]),
        ),
        build=eager(role_names),
    ),
    Function(
        name="AppRoleAssignmentsComplex",
        parameters=_PARAMETERS,
        rule="All roles as complex values. They are only ever added: a role taken away in the directory stays at the target.",
        examples=(
            Example(expression="AppRoleAssignmentsComplex([appRoleAssignments])", attributes=_HELD, result=_COMPLEX),
        ),
        build=eager(complex_roles),
    ),
    Function(
        name="AssertiveAppRoleAssignmentsComplex",
        parameters=_PARAMETERS,
        rule="All roles as complex values. They replace those at the target.",
        examples=(
            Example(
                expression="AssertiveAppRoleAssignmentsComplex([appRoleAssignments])", attributes=_HELD, result=_COMPLEX
            ),
        ),
        build=eager(complex_roles),
    ),
    Function(
        name="SingleAppRoleAssignment",
        parameters=_PARAMETERS,
        rule="The value of one role; of several, the one that sorts first.",
        examples=(
            Example(expression="SingleAppRoleAssignment([appRoleAssignments])", attributes=_HELD, result="Admin"),
        ),
        build=eager(single_role),
    ),
)
