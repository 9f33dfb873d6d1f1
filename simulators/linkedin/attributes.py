"""What the service keeps of a user: the ten mapped attributes and `active`, with the shapes of RFC 7643 sections 4.1 and 4.3.

Attribute names are compared without regard to case (RFC 7643 section 2.1) and stored in their canonical spelling. Attributes
that RFC 7643 knows and this service does not keep are accepted and dropped, as the service maps "these fields" only.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from simulators.linkedin.errors import ScimError

CORE_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE_USER: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CORE_GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
LIST_RESPONSE: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH_OP: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

Kind = Literal["string", "boolean", "complex", "multi", "reference", "readOnly"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute: its canonical name, its shape, its sub-attributes by canonical and lower-case name, and where it lives."""

    name: str
    kind: Kind
    subs: dict[str, str]
    extension: bool = False


def _attribute(name: str, kind: Kind, *subs: str, extension: bool = False) -> Attribute:
    spelled = {spelling: sub for sub in subs for spelling in (sub, sub.lower())}
    return Attribute(name=name, kind=kind, subs=spelled, extension=extension)


KEPT: Final[dict[str, Attribute]] = {
    spelling: attribute
    for attribute in (
        _attribute("schemas", "readOnly"),
        _attribute("id", "readOnly"),
        _attribute("meta", "readOnly"),
        _attribute("externalId", "string"),
        _attribute("userName", "string"),
        _attribute("displayName", "string"),
        _attribute("title", "string"),
        _attribute("active", "boolean"),
        _attribute("name", "complex", "givenName", "familyName"),
        _attribute("emails", "multi", "value", "type", "primary"),
        _attribute("addresses", "multi", "locality", "type", "primary"),
        _attribute("department", "string", extension=True),
        _attribute("manager", "reference", "value", "$ref", "displayName", extension=True),
    )
    for spelling in (attribute.name, attribute.name.lower())
}
DROPPED: Final = frozenset(
    {
        *(
            "nickname",
            "profileurl",
            "usertype",
            "preferredlanguage",
            "locale",
            "timezone",
            "password",
            "phonenumbers",
            "ims",
        ),
        *("photos", "groups", "entitlements", "roles", "x509certificates"),
        *("employeenumber", "costcenter", "organization", "division"),
    }
)


def normalise_user(raw: object, *, required: frozenset[str]) -> dict[str, Any]:
    """The user as it will be stored: kept attributes only, canonical names, `active` always a boolean.

    `required` holds some of "externalId", "userName" and "email" (an e-mail of type work, or a user name shaped like one).
    Raises ScimError 400 (invalidSyntax or invalidValue) that names the attribute, never its value.
    """
    if not isinstance(raw, dict):
        raise ScimError(400, "The body must be a JSON object.", "invalidSyntax")
    schemas = raw.get("schemas")
    if not isinstance(schemas, list) or CORE_USER not in schemas:
        raise ScimError(400, f"'schemas' must contain {CORE_USER}.", "invalidSyntax")
    user: dict[str, Any] = {"schemas": [CORE_USER]}
    extension: dict[str, Any] = {}
    for key, value in raw.items():
        if value is None:
            continue
        if key == ENTERPRISE_USER or key.lower() == ENTERPRISE_USER.lower():
            if not isinstance(value, dict):
                raise ScimError(400, f"'{ENTERPRISE_USER}' must be an object.", "invalidValue")
            for inner, content in value.items():
                if content is not None:
                    _keep(extension, inner, content, in_extension=True)
        else:
            _keep(user, key, value, in_extension=False)
    if extension:
        user["schemas"] = [CORE_USER, ENTERPRISE_USER]
        user[ENTERPRISE_USER] = extension
    user.setdefault("active", True)
    _require(user, required)
    return user


def _keep(into: dict[str, Any], key: str, value: object, *, in_extension: bool) -> None:
    attribute = KEPT.get(key) or KEPT.get(key.lower())
    if attribute is None or attribute.kind == "readOnly" or attribute.extension is not in_extension:
        return
    kind = attribute.kind
    if kind == "string":
        if not isinstance(value, str):
            raise ScimError(400, f"'{attribute.name}' must be a string.", "invalidValue")
        into[attribute.name] = value
    elif kind == "boolean":
        into[attribute.name] = as_boolean(attribute.name, value)
    elif kind == "multi":
        if not isinstance(value, list):
            raise ScimError(400, f"'{attribute.name}' must be an array.", "invalidValue")
        items = [_complex(attribute, item) for item in value]
        if items:
            into[attribute.name] = items
    else:
        content = _complex(attribute, value)
        if content:
            into[attribute.name] = content


def _complex(attribute: Attribute, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ScimError(400, f"'{attribute.name}' must hold objects.", "invalidValue")
    kept: dict[str, Any] = {}
    subs = attribute.subs
    for key, content in value.items():
        name = subs.get(key) or subs.get(key.lower())
        if name is None or content is None:
            continue
        if name != "primary" and isinstance(content, str):
            kept[name] = content
        elif name == "primary":
            kept[name] = as_boolean(f"{attribute.name}.primary", content)
        else:
            raise ScimError(400, f"'{attribute.name}.{name}' must be a string.", "invalidValue")
    return kept


def as_boolean(name: str, value: object) -> bool:
    """A boolean, also from the strings "True" and "False" in any case (the older Entra dialect); ScimError 400 otherwise."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ScimError(400, f"'{name}' must be a boolean.", "invalidValue")


def work_emails(user: dict[str, Any]) -> tuple[str, ...]:
    """The user's addresses of type work, case-folded; an address without a type counts as work."""
    return tuple(
        {
            item["value"].casefold(): None
            for item in user.get("emails", ())
            if item.get("value") and item.get("type", "work").lower() == "work"
        }
    )


def _require(user: dict[str, Any], required: frozenset[str]) -> None:
    if "userName" in required and not user.get("userName"):
        raise ScimError(400, "Attribute 'userName' is required.", "invalidValue")
    if "externalId" in required and not user.get("externalId"):
        raise ScimError(400, "Attribute 'externalId' is required.", "invalidValue")
    if "email" in required and "@" not in user.get("userName", "") and not work_emails(user):
        raise ScimError(400, "An e-mail of type work, or a user name that is one, is required.", "invalidValue")
