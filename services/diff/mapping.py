"""From Microsoft Graph properties to the flat resource that is wanted at the target (Entra, "Customize attribute mappings")."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.diff.rules import Rules, is_empty
from services.diff.scope import FailedCondition, SkipCode
from shared.contracts.changes import MatchingValue
from shared.contracts.templates.template import AttributeMapping

_GUEST_MARK: Final = "#EXT#"
VALUES_PRESENT: Final = "Required attributes have a value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """The mapped values by SCIM path, without those that are empty; the values to match by; and what keeps a create back."""

    resource: dict[str, Any]
    matching: tuple[MatchingValue, ...]
    failed: tuple[FailedCondition, ...]


def map_user(rules: Rules, object_id: str, attributes: Mapping[str, Any]) -> Mapped:
    """Return what an active account of this person is to hold.

    An empty source value is left out: null is not provisioned. ``failed`` names the attributes without which no account is created.
    """
    resource = rules.constants.copy()
    failed: list[FailedCondition] = []
    for row in rules.direct:
        source = row.source or ""
        value = attributes.get(source)
        if source == "id" and not value:
            value = object_id
        elif source == "userPrincipalName" and isinstance(value, str):
            value = _home_name(value)
        if not is_empty(value):
            resource[row.target] = value
        elif row.required:
            failed.append(_missing(row))
    matching = tuple(
        MatchingValue(attribute=path, value=str(resource[path])) for path in rules.matching if path in resource
    )
    if not matching:
        failed.append(
            FailedCondition(
                name=VALUES_PRESENT,
                code=SkipCode.IMPORT_SKIPPED,
                reason="no matching attribute has a value in the directory",
            )
        )
    return Mapped(resource=resource, matching=matching, failed=tuple(failed))


def _home_name(user_principal_name: str) -> str:
    """Return a guest's name at home: ``alias_home.example#EXT#@tenant`` flows as ``alias@home.example``."""
    at = user_principal_name.upper().find(_GUEST_MARK)
    if at < 0:
        return user_principal_name
    alias, separator, domain = user_principal_name[:at].rpartition("_")
    return f"{alias}@{domain}" if separator else user_principal_name


def _missing(row: AttributeMapping) -> FailedCondition:
    return FailedCondition(
        name=VALUES_PRESENT,
        code=SkipCode.ATTRIBUTE_VALIDATION_FAILED,
        reason=f"{row.target} is required and {row.source} has no value; fill it in in the directory",
    )
