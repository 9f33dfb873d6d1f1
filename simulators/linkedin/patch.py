"""PATCH of users by RFC 7644 section 3.5.2, and the dialects in which Microsoft Entra sends it.

Beyond the RFC, as the Entra pages on SCIM compatibility describe its requests: operations in any case, the strings "True" and
"False", path-less values with dotted, URN and value-path keys, a value wrapped as `[{"value": ...}]`, and a Replace whose value
path matches nothing, which adds. Pure: a document in, the changed document out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from simulators.linkedin import multivalued
from simulators.linkedin.attributes import CORE_USER, DROPPED, ENTERPRISE_USER, KEPT, PATCH_OP, Attribute
from simulators.linkedin.errors import ScimError
from simulators.linkedin.filters import parse_conditions

MISSING: Final = multivalued.MISSING
_PATH: Final = re.compile(r"([A-Za-z$][\w$-]*)(?:\[(.*)\])?(?:\.([A-Za-z$][\w$-]*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation: the verb in lower case, its path or None, its value or MISSING."""

    verb: str
    path: str | None
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a path points at; `attribute` None means known to RFC 7643 and not kept here, `whole_extension` the URN alone."""

    attribute: Attribute | None = None
    whole_extension: bool = False
    conditions: list[tuple[str, object]] | None = None
    sub: str | None = None


def operations(body: object) -> Iterator[Operation]:
    """The operations of a PatchOp message, in order; ScimError 400 invalidSyntax when it is not one."""
    if not isinstance(body, dict):
        raise ScimError(400, "The body must be a JSON object.", "invalidSyntax")
    message = {key.lower(): value for key, value in body.items()}
    schemas = message.get("schemas")
    if not isinstance(schemas, list) or PATCH_OP not in schemas:
        raise ScimError(400, f"'schemas' must contain {PATCH_OP}.", "invalidSyntax")
    listed = message.get("operations")
    if not isinstance(listed, list) or not listed:
        raise ScimError(400, "'Operations' must be an array with at least one operation.", "invalidSyntax")
    for item in listed:
        if not isinstance(item, dict) or not isinstance(item.get("op"), str):
            raise ScimError(400, "Each operation must be an object with an 'op'.", "invalidSyntax")
        verb = item["op"].lower()
        if verb not in ("add", "replace", "remove"):
            raise ScimError(400, "'op' must be add, replace or remove.", "invalidSyntax")
        path = item.get("path")
        if path is not None and not isinstance(path, str):
            raise ScimError(400, "'path' must be a string.", "invalidPath")
        if not path and verb == "remove":
            raise ScimError(400, "An operation remove needs a 'path'.", "noTarget")
        if verb != "remove" and "value" not in item:
            raise ScimError(400, f"An operation {verb} needs a 'value'.", "invalidValue")
        yield Operation(verb=verb, path=path or None, value=item.get("value", MISSING))


def parse_path(path: str) -> Target:
    """What `path` points at in a user; ScimError 400 invalidPath when it points at nothing SCIM knows."""
    lowered = path.lower()
    if lowered == ENTERPRISE_USER.lower():
        return Target(whole_extension=True)
    rest = path
    for urn in (ENTERPRISE_USER, CORE_USER):
        if lowered.startswith(urn.lower() + ":"):
            rest = path[len(urn) + 1 :]
    match = _PATH.fullmatch(rest)
    if match is None:
        raise ScimError(400, "The path is malformed.", "invalidPath")
    name = match[1].lower()
    attribute = KEPT.get(name)
    if attribute is None:
        if name in DROPPED or (rest is not path and lowered.startswith(ENTERPRISE_USER.lower())):
            return Target()
        raise ScimError(400, "The path names an attribute that users do not have.", "invalidPath")
    sub = None
    if match[3] is not None:
        sub = attribute.subs.get(match[3].lower())
        if sub is None:
            return Target()
    conditions = None
    if match[2] is not None:
        if attribute.kind != "multi":
            raise ScimError(400, f"'{attribute.name}' has one value: a path may not select among them.", "invalidPath")
        conditions = parse_conditions(match[2])
    return Target(attribute=attribute, conditions=conditions, sub=sub)


def apply(user: dict[str, Any], body: object, *, required: frozenset[str]) -> dict[str, Any]:
    """Apply a PatchOp message to `user` (changed in place) and return it; the caller validates and stores it, or drops it.

    `required` holds the attributes that cannot be removed, as for `normalise_user`.

    Raises ScimError 400 with invalidSyntax, invalidPath, invalidValue, invalidFilter, noTarget or mutability.
    """
    for operation in operations(body):
        if operation.path is not None:
            _apply(user, operation.verb, operation.path, operation.value, required)
        elif isinstance(operation.value, dict):
            for path, value in operation.value.items():
                _apply(user, operation.verb, path, value, required)
        else:
            raise ScimError(400, "An operation without a path needs an object as its value.", "invalidValue")
    return user


def _apply(user: dict[str, Any], verb: str, path: str, value: object, required: frozenset[str]) -> None:
    target = parse_path(path)
    if target.whole_extension:
        _apply_extension(user, verb, value, required)
        return
    attribute = target.attribute
    if attribute is None:
        return
    if attribute.kind == "readOnly":
        if attribute.name == "schemas":
            return
        raise ScimError(400, f"'{attribute.name}' is read-only.", "mutability")
    holder = user.setdefault(ENTERPRISE_USER, {}) if attribute.extension else user
    if attribute.kind == "multi":
        selection = multivalued.Selection(attribute=attribute, conditions=target.conditions, sub=target.sub)
        multivalued.change(holder, selection, verb, value)
        return
    if verb != "remove":
        value = _unwrapped(value)
    if verb == "remove" or value is None or (attribute.kind == "reference" and value == ""):
        _remove(holder, attribute, target.sub, required)
    elif target.sub is not None:
        holder.setdefault(attribute.name, {})[target.sub] = value
    elif attribute.kind == "complex":
        if not isinstance(value, dict):
            raise ScimError(400, f"'{attribute.name}' must be an object.", "invalidValue")
        holder[attribute.name] = {**holder.get(attribute.name, {}), **value}
    elif attribute.kind == "reference":
        holder[attribute.name] = value if isinstance(value, dict) else {"value": value}
    else:
        holder[attribute.name] = value


def _apply_extension(user: dict[str, Any], verb: str, value: object, required: frozenset[str]) -> None:
    if verb == "remove":
        user.pop(ENTERPRISE_USER, None)
        return
    if not isinstance(value, dict):
        raise ScimError(400, f"'{ENTERPRISE_USER}' must be an object.", "invalidValue")
    for name, content in value.items():
        _apply(user, verb, f"{ENTERPRISE_USER}:{name}", content, required)


def _remove(holder: dict[str, Any], attribute: Attribute, sub: str | None, required: frozenset[str]) -> None:
    if attribute.name in required:
        raise ScimError(400, f"'{attribute.name}' is required and cannot be removed.", "mutability")
    if sub is None:
        holder.pop(attribute.name, None)
    else:
        holder.get(attribute.name, {}).pop(sub, None)


def _unwrapped(value: object) -> object:
    """The value inside `[{"value": v}]` or `[v]`, in which Entra sends manager and some single values."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
        if isinstance(value, dict) and isinstance(value.get("value"), str | bool) and value.keys() <= {"value", "$ref"}:
            return value["value"]
    return value
