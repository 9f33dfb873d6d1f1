"""LinkedIn Sales Navigator: what its SCIM service takes, and the mapping that the Entra tutorial sets up."""

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

_SCHEMA: Final = default_schema(
    "linkedin-sales-navigator",
    "LinkedIn Sales Navigator",
    users=(
        # The directory object id never changes; a user principal name can be given to somebody else.
        direct("objectId", "externalId", match=1),
        # LinkedIn keeps userName as the e-mail address that the invitation goes to.
        direct("userPrincipalName", "userName"),
        direct("givenName", "name.givenName"),
        direct("surname", "name.familyName"),
        direct("displayName", "displayName"),
        direct("jobTitle", "title"),
        direct("city", 'addresses[type eq "work"].locality'),
        direct("mail", 'emails[type eq "work"].value'),
        direct("department", f"{ENTERPRISE_USER}:department"),
        direct("manager", f"{ENTERPRISE_USER}:manager"),
        function(IS_ACTIVE, "active"),
    ),
    user_attributes=(
        anchor("id"),
        text("externalId", required=True),
        text("userName", required=True),
        text("name.givenName"),
        text("name.familyName"),
        text("displayName"),
        text("title"),
        text('addresses[type eq "work"].locality'),
        text('emails[type eq "work"].value'),
        text(f"{ENTERPRISE_USER}:department"),
        reference(f"{ENTERPRISE_USER}:manager", "User"),
        flag("active"),
    ),
)

LINKEDIN_SALES_NAVIGATOR: Final = Template(
    name="linkedin-sales-navigator",
    display_name="LinkedIn Sales Navigator",
    tenant_url="https://api.linkedin.com/scim",
    schema=_SCHEMA,
    capabilities=Capabilities(
        delete=False,
        list_users=False,
        filter_attributes=("externalId",),
        groups=True,
        group_delete=True,
        group_filter_attributes=("displayName",),
    ),
    exclude_default_access=True,
    secret_token_lifetime_days=730,
)
