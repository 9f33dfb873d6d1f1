"""ServiceProviderConfig, ResourceTypes and Schemas (RFC 7643 sections 5 to 7): minimal, and true to what is kept."""

from typing import Any, Final

import orjson

from simulators.linkedin.answers import Answer, listing
from simulators.linkedin.attributes import CORE_GROUP, CORE_USER, ENTERPRISE_USER
from simulators.linkedin.errors import ScimError
from simulators.linkedin.settings import Settings

_SCHEMA_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"
_TYPE_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
_CONFIG_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
ENDPOINTS: Final = frozenset({"ServiceProviderConfig", "ResourceTypes", "Schemas"})


class Discovery:
    """The three endpoints; what is required of a user follows the settings of the moment."""

    def __init__(self, base_url: str, settings: Settings) -> None:
        self._base_url = base_url
        self._settings = settings

    def read(self, endpoint: str, name: str | None, query: dict[str, str]) -> Answer:
        """GET of one of ENDPOINTS, or of one entry of it; a filter is refused with 403 (RFC 7644 section 4)."""
        if "filter" in query:
            raise ScimError(403, "This endpoint cannot be filtered.")
        if endpoint == "ServiceProviderConfig":
            return Answer(body=orjson.dumps(_config(self._base_url)))
        if endpoint == "ResourceTypes":
            described = _resource_types(self._base_url)
        else:
            described = _schemas(self._base_url, frozenset(self._settings.required))
        entries = {entry["id"]: orjson.dumps(entry) for entry in described}
        if name is None:
            return Answer(body=listing(list(entries.values())))
        if name not in entries:
            raise ScimError(404, "There is no entry of this name.")
        return Answer(body=entries[name])


def _config(base_url: str) -> dict[str, Any]:
    return {
        "schemas": [_CONFIG_URN],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": 1000},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Access token",
                "description": "The access token of a SCIM configuration, sent as a bearer token.",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base_url}/ServiceProviderConfig"},
    }


def _resource_types(base_url: str) -> list[dict[str, Any]]:
    user: dict[str, Any] = {"schema": CORE_USER, "schemaExtensions": [{"schema": ENTERPRISE_USER, "required": False}]}
    return [
        {
            "schemas": [_TYPE_URN],
            "id": name,
            "name": name,
            "endpoint": f"/{name}s",
            "description": f"{name}s of the enterprise account.",
            **shape,
            "meta": {"resourceType": "ResourceType", "location": f"{base_url}/ResourceTypes/{name}"},
        }
        for name, shape in (("User", user), ("Group", {"schema": CORE_GROUP}))
    ]


def _schemas(base_url: str, required: frozenset[str]) -> list[dict[str, Any]]:
    text, flag = "string", "boolean"
    typed = [_attribute("type", text), _attribute("primary", flag)]
    person = [
        _attribute("userName", text, required="userName" in required, uniqueness="server"),
        _attribute("externalId", text, required="externalId" in required, case_exact=True, uniqueness="server"),
        _attribute("name", "complex", subs=[_attribute("givenName", text), _attribute("familyName", text)]),
        _attribute("displayName", text),
        _attribute("title", text),
        _attribute("active", flag),
        _attribute("emails", "complex", multi=True, subs=[_attribute("value", text), *typed]),
        _attribute("addresses", "complex", multi=True, subs=[_attribute("locality", text), *typed]),
    ]
    reference = {**_attribute("$ref", "reference", case_exact=True), "referenceTypes": ["User"]}
    manager = [_attribute("value", text), reference, _attribute("displayName", text, mutability="readOnly")]
    enterprise = [_attribute("department", text), _attribute("manager", "complex", subs=manager)]
    member = [
        _attribute("value", text, mutability="immutable"),
        {**reference, "mutability": "immutable"},
        {**_attribute("type", text, mutability="immutable"), "canonicalValues": ["User"]},
    ]
    group = [
        _attribute("displayName", text, required=True, uniqueness="server"),
        _attribute("externalId", text, case_exact=True, uniqueness="server"),
        _attribute("members", "complex", multi=True, subs=member),
    ]
    described = (
        (CORE_USER, "User", person),
        (ENTERPRISE_USER, "EnterpriseUser", enterprise),
        (CORE_GROUP, "Group", group),
    )
    return [
        {
            "schemas": [_SCHEMA_URN],
            "id": urn,
            "name": name,
            "description": name,
            "attributes": attributes,
            "meta": {"resourceType": "Schema", "location": f"{base_url}/Schemas/{urn}"},
        }
        for urn, name, attributes in described
    ]


def _attribute(
    name: str,
    kind: str,
    *,
    multi: bool = False,
    required: bool = False,
    case_exact: bool = False,
    mutability: str = "readWrite",
    uniqueness: str = "none",
    subs: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    attribute: dict[str, Any] = {
        "name": name,
        "type": kind,
        "multiValued": multi,
        "description": name,
        "required": required,
        "caseExact": case_exact,
        "mutability": mutability,
        "returned": "default",
        "uniqueness": uniqueness,
    }
    if subs is not None:
        attribute["subAttributes"] = subs
    return attribute
