"""LinkedIn Sales Navigator: what its SCIM service takes, and the mapping that the Entra tutorial sets up."""

from typing import Final

from shared.contracts.templates.template import AttributeMapping, Capabilities, MappingKind, Template

ENTERPRISE_USER: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

LINKEDIN_SALES_NAVIGATOR: Final = Template(
    name="linkedin-sales-navigator",
    display_name="LinkedIn Sales Navigator",
    tenant_url="https://api.linkedin.com/scim",
    user_mapping=(
        # The directory object id never changes; a user principal name can be given to somebody else.
        AttributeMapping(target="externalId", source="id", required=True, matching_priority=1),
        # LinkedIn keeps userName as the e-mail address that the invitation goes to.
        AttributeMapping(target="userName", source="userPrincipalName", required=True),
        AttributeMapping(target="name.givenName", source="givenName"),
        AttributeMapping(target="name.familyName", source="surname"),
        AttributeMapping(target="displayName", source="displayName"),
        AttributeMapping(target="title", source="jobTitle"),
        AttributeMapping(target='addresses[type eq "work"].locality', source="city"),
        AttributeMapping(target='emails[type eq "work"].value', source="mail"),
        AttributeMapping(target=f"{ENTERPRISE_USER}:department", source="department"),
        AttributeMapping(target="active", kind=MappingKind.ACTIVE),
    ),
    capabilities=Capabilities(delete=False, list_users=False, filter_attributes=("externalId",), groups=True),
    exclude_default_access=True,
    secret_token_lifetime_days=730,
)
