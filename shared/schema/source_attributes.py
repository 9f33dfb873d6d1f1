"""Attributes of the source by the names that mappings use, and the Microsoft Graph properties that they are read from.

Entra's schemas use the names of the older Azure AD Graph (``objectId``, ``telephoneNumber``, ``extensionAttribute1``); we take those and
the names of Microsoft Graph (``id``, ``businessPhones``). Names are case-sensitive. *Computed* attributes are in no directory: diff
provides them with each object.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from shared.contracts.message import ObjectType

IS_SOFT_DELETED: Final = "IsSoftDeleted"
APP_ROLE_ASSIGNMENTS: Final = "appRoleAssignments"
ORIGINAL_USER_PRINCIPAL_NAME: Final = "originalUserPrincipalName"
USER_PRINCIPAL_NAME: Final = "userPrincipalName"
MANAGER: Final = "manager"
MEMBERS: Final = "members"
_GUEST_MARK: Final = "#EXT#"
_EXTENSION: Final = re.compile(r"extension_[0-9A-Fa-f]{32}_[A-Za-z0-9_]{1,200}")

Read = Callable[[Mapping[str, Any]], Any]


class Nature(StrEnum):
    """What kind of value an attribute of the source has."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE = "date"
    REFERENCE = "reference"
    MULTI_VALUED = "multiValued"
    COMPLEX = "complex"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAttribute:
    """One attribute of the source.

    ``graph_property`` is the Microsoft Graph property that has to be selected, nothing for a computed one. ``read`` takes the value out
    of the record of an object; a plain lookup of ``graph_property`` when it is nothing.
    """

    name: str
    nature: Nature = Nature.TEXT
    graph_property: str | None = None
    read: Read | None = None

    def value(self, record: Mapping[str, Any]) -> Any:
        """Return the value of this attribute, or nothing."""
        return record.get(self.graph_property or self.name) if self.read is None else self.read(record)


def home_name(user_principal_name: str) -> str:
    """Return a guest's name at home: ``alias_home.example#EXT#@tenant`` flows and matches as ``alias@home.example``."""
    at = user_principal_name.upper().find(_GUEST_MARK)
    if at < 0:
        return user_principal_name
    alias, separator, domain = user_principal_name[:at].rpartition("_")
    return f"{alias}@{domain}" if separator else user_principal_name


def _user_principal_name(record: Mapping[str, Any]) -> Any:
    name = record.get(USER_PRINCIPAL_NAME)
    return home_name(name) if isinstance(name, str) and "#" in name else name


def _original_name(record: Mapping[str, Any]) -> Any:
    return record.get(ORIGINAL_USER_PRINCIPAL_NAME) or record.get(USER_PRINCIPAL_NAME)


def _first(name: str) -> Read:
    def read(record: Mapping[str, Any]) -> Any:
        value = record.get(name)
        return (value[0] if value else None) if isinstance(value, list | tuple) else value

    return read


def _inside(name: str, inner: str) -> Read:
    def read(record: Mapping[str, Any]) -> Any:
        value = record.get(name)
        return value.get(inner) if isinstance(value, Mapping) else None

    return read


def _is_soft_deleted(record: Mapping[str, Any]) -> Any:
    return record.get(IS_SOFT_DELETED, False)


def _plain(nature: Nature, names: str) -> list[SourceAttribute]:
    return [SourceAttribute(name=name, nature=nature, graph_property=name) for name in names.split()]


def _renamed(**names: str) -> list[SourceAttribute]:
    return [SourceAttribute(name=name, graph_property=graph) for name, graph in names.items()]


_BOTH: Final = (
    *_plain(Nature.TEXT, "id displayName mail mailNickname onPremisesSecurityIdentifier"),
    *_plain(Nature.DATE, "createdDateTime"),
    *_plain(Nature.BOOLEAN, "onPremisesSyncEnabled"),
    *_plain(Nature.MULTI_VALUED, "proxyAddresses"),
    *_renamed(objectId="id"),
    SourceAttribute(name="dirSyncEnabled", nature=Nature.BOOLEAN, graph_property="onPremisesSyncEnabled"),
    SourceAttribute(name=IS_SOFT_DELETED, nature=Nature.BOOLEAN, read=_is_soft_deleted),
)
_USER: Final = (
    *_BOTH,
    *_plain(
        Nature.TEXT,
        "givenName surname jobTitle department companyName city state country streetAddress postalCode officeLocation mobilePhone"
        " faxNumber preferredLanguage usageLocation employeeId employeeType ageGroup consentProvidedForMinor legalAgeGroupClassification"
        " onPremisesDistinguishedName onPremisesDomainName onPremisesImmutableId onPremisesSamAccountName onPremisesUserPrincipalName"
        " passwordPolicies preferredDataLocation securityIdentifier userType creationType externalUserState",
    ),
    *_plain(Nature.DATE, "employeeHireDate employeeLeaveDateTime externalUserStateChangeDateTime"),
    *_plain(Nature.BOOLEAN, "accountEnabled showInAddressList"),
    *_plain(Nature.MULTI_VALUED, "businessPhones otherMails imAddresses"),
    *_renamed(
        physicalDeliveryOfficeName="officeLocation",
        mobile="mobilePhone",
        facsimileTelephoneNumber="faxNumber",
        immutableId="onPremisesImmutableId",
        onPremiseSecurityIdentifier="onPremisesSecurityIdentifier",
        dnsDomainName="onPremisesDomainName",
    ),
    SourceAttribute(name="telephoneNumber", graph_property="businessPhones", read=_first("businessPhones")),
    SourceAttribute(name="division", graph_property="employeeOrgData", read=_inside("employeeOrgData", "division")),
    SourceAttribute(name="costCenter", graph_property="employeeOrgData", read=_inside("employeeOrgData", "costCenter")),
    SourceAttribute(name=USER_PRINCIPAL_NAME, graph_property=USER_PRINCIPAL_NAME, read=_user_principal_name),
    SourceAttribute(name=ORIGINAL_USER_PRINCIPAL_NAME, graph_property=USER_PRINCIPAL_NAME, read=_original_name),
    SourceAttribute(name=MANAGER, nature=Nature.REFERENCE, graph_property=MANAGER),
    SourceAttribute(name=APP_ROLE_ASSIGNMENTS, nature=Nature.COMPLEX),
    *(
        SourceAttribute(
            name=f"extensionAttribute{number}",
            graph_property="onPremisesExtensionAttributes",
            read=_inside("onPremisesExtensionAttributes", f"extensionAttribute{number}"),
        )
        for number in range(1, 16)
    ),
)
_GROUP: Final = (
    *_BOTH,
    *_plain(
        Nature.TEXT,
        "description classification visibility membershipRule preferredDataLocation preferredLanguage theme",
    ),
    *_plain(Nature.BOOLEAN, "securityEnabled mailEnabled isAssignableToRole"),
    *_plain(Nature.DATE, "expirationDateTime renewedDateTime"),
    *_plain(Nature.MULTI_VALUED, "groupTypes"),
    SourceAttribute(name=MEMBERS, nature=Nature.REFERENCE),
)

SOURCE_ATTRIBUTES: Final[Mapping[ObjectType, Mapping[str, SourceAttribute]]] = {
    ObjectType.USER: {attribute.name: attribute for attribute in _USER},
    ObjectType.GROUP: {attribute.name: attribute for attribute in _GROUP},
}


def find_source_attribute(object_type: ObjectType, name: str) -> SourceAttribute | None:
    """Return the attribute that a mapping means by ``name``, or nothing when objects of this type cannot have it.

    Directory extensions (``extension_<application>_<name>``) are properties of Microsoft Graph under the same name.
    """
    found = SOURCE_ATTRIBUTES[object_type].get(name)
    if found is None and _EXTENSION.fullmatch(name):
        return SourceAttribute(name=name, graph_property=name)
    return found
