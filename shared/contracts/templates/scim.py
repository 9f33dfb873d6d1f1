"""Any SCIM 2.0 service: the default mapping of Entra's generic SCIM application ("Develop and plan provisioning for a SCIM endpoint")."""

from typing import Final

from shared.contracts.templates.default_schemas import (
    ENTERPRISE_USER,
    IS_ACTIVE,
    anchor,
    default_schema,
    direct,
    flag,
    function,
    reference,
    text,
)
from shared.contracts.templates.template import Capabilities, Template

_ADDRESS: Final = {
    "physicalDeliveryOfficeName": "formatted",
    "streetAddress": "streetAddress",
    "city": "locality",
    "state": "region",
    "postalCode": "postalCode",
    "country": "country",
}
_NUMBERS: Final = {"telephoneNumber": "work", "mobile": "mobile", "facsimileTelephoneNumber": "fax"}
_PLAIN: Final = (
    direct("displayName", "displayName"),
    direct("jobTitle", "title"),
    direct("mail", 'emails[type eq "work"].value'),
    direct("preferredLanguage", "preferredLanguage"),
    direct("givenName", "name.givenName"),
    direct("surname", "name.familyName"),
    function('Join(" ", [givenName], [surname])', "name.formatted"),
    *(direct(source, f'addresses[type eq "work"].{target}') for source, target in _ADDRESS.items()),
    *(direct(source, f'phoneNumbers[type eq "{kind}"].value') for source, kind in _NUMBERS.items()),
    # Entra maps mailNickname here, and advises objectId: it is never given to somebody else.
    direct("objectId", "externalId"),
    direct("employeeId", f"{ENTERPRISE_USER}:employeeNumber"),
    direct("department", f"{ENTERPRISE_USER}:department"),
)
_OTHERS: Final = (
    "nickName",
    "locale",
    "timezone",
    "userType",
    "profileUrl",
    "name.middleName",
    "name.honorificPrefix",
    "name.honorificSuffix",
    'emails[type eq "home"].value',
    'emails[type eq "other"].value',
    'phoneNumbers[type eq "home"].value',
    'phoneNumbers[type eq "other"].value',
    'phoneNumbers[type eq "pager"].value',
    *(f'addresses[type eq "other"].{name}' for name in _ADDRESS.values()),
    'roles[primary eq "True"].value',
    'roles[primary eq "True"].display',
    'roles[primary eq "True"].type',
    f"{ENTERPRISE_USER}:organization",
    f"{ENTERPRISE_USER}:division",
    f"{ENTERPRISE_USER}:costCenter",
)

SCIM: Final = Template(
    name="scim",
    display_name="SCIM 2.0",
    tenant_url="",
    schema=default_schema(
        "scim",
        "customappsso",
        users=(
            direct("userPrincipalName", "userName", match=1),
            function(IS_ACTIVE, "active"),
            *_PLAIN,
            direct("manager", f"{ENTERPRISE_USER}:manager"),
        ),
        user_attributes=(
            anchor("id"),
            text("userName", required=True, case_exact=False),
            flag("active"),
            *(text(row.target_attribute_name) for row in _PLAIN),
            *(text(name) for name in _OTHERS),
            text("roles", multivalued=True),
            reference(f"{ENTERPRISE_USER}:manager", "User"),
        ),
    ),
    capabilities=Capabilities(
        delete=True,
        list_users=True,
        filter_attributes=("userName", "externalId", 'emails[type eq "work"].value'),
        groups=True,
        group_delete=True,
        group_filter_attributes=("displayName", "externalId"),
        custom_attributes=True,
    ),
    exclude_default_access=False,
    secret_token_lifetime_days=365,
)
