"""The Groups endpoint: create by push, find by displayName, add and remove members in both PATCH dialects."""

import random
import time
from collections.abc import Iterator
from typing import Any, Final

import orjson

from simulators.linkedin.accounts import Accounts, timestamp
from simulators.linkedin.answers import Answer, listing, selected
from simulators.linkedin.attributes import CORE_GROUP
from simulators.linkedin.errors import GatewayError, ScimError
from simulators.linkedin.faults import Faults
from simulators.linkedin.filters import parse_conditions, parse_equals
from simulators.linkedin.patch import MISSING, Operation, operations
from simulators.linkedin.settings import Settings
from simulators.linkedin.users import page_bounds, parsed


class Group:
    """One group; `members` are ids of users in order of joining."""

    __slots__ = ("created_at", "display_name", "external_id", "id", "members", "updated_at", "version")

    def __init__(self, group_id: str, now: float) -> None:
        self.id: Final = group_id
        self.created_at: Final = now
        self.updated_at = now
        self.version = 0
        self.display_name = ""
        self.external_id: str | None = None
        self.members: dict[str, None] = {}


class Groups:
    """The operations on `/Groups`, and the store behind them."""

    def __init__(self, accounts: Accounts, settings: Settings, faults: Faults) -> None:
        self._accounts = accounts
        self._settings = settings
        self._faults = faults
        self._random = random.Random()
        self._by_id: dict[str, Group] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(list(self._by_id.values()))

    def clear(self) -> None:
        """Forget every group."""
        self._by_id.clear()

    def forget_member(self, account_id: str) -> None:
        """Take an account that is gone out of every group."""
        for group in self._by_id.values():
            group.members.pop(account_id, None)

    def query(self, query: dict[str, str]) -> Answer:
        """GET /Groups: by `displayName eq`; without a filter only if the settings allow a list."""
        text = query.get("filter")
        if text is None:
            if self._settings.listWithoutFilter != "list":
                status = int(self._settings.listWithoutFilter)
                if status == 403:
                    raise GatewayError(403, "Not enough permissions to access: list groups", 100)
                raise ScimError(status, "Listing groups is not supported; filter by displayName.")
            start, count = page_bounds(query)
            page = list(self._by_id.values())[start - 1 : start - 1 + count]
            bodies = [selected(self._rendered(group, query), query) for group in page]
            return Answer(body=listing(bodies, total=len(self._by_id), start=start))
        try:
            attribute, value = parse_equals(text)
            if attribute != "displayname":
                raise ScimError(400, "Groups can be filtered by displayName only.", "invalidFilter")
        except ScimError:
            if self._settings.unsupportedFilter == "emptyList":
                return Answer(body=listing([]))
            raise
        found = [group for group in self._by_id.values() if group.display_name.casefold() == value.casefold()]
        return Answer(body=listing([selected(self._rendered(group, query), query) for group in found]))

    def read(self, group_id: str, query: dict[str, str]) -> Answer:
        """GET /Groups/{id}."""
        group = self._found(group_id)
        return Answer(body=selected(self._rendered(group, query), query), headers={"ETag": _etag(group)})

    def create(self, raw: bytes, answer: Answer) -> Answer:
        """POST /Groups: 201; 409 uniqueness when a group has this displayName or externalId."""
        document = _checked(parsed(raw))
        answer.external_id = document.get("externalId")
        self._faults.reject("POST", "Groups", answer.external_id, document["displayName"])
        group = Group(f"{self._random.getrandbits(80):020x}", time.time())
        members = self._members(document.get("members", []))
        self._store(group, document["displayName"], document.get("externalId"), members)
        self._by_id[group.id] = group
        answer.status, answer.committed = 201, True
        answer.headers["Location"] = f"{self._accounts.base_url}/Groups/{group.id}"
        return self._with_resource(answer, group)

    def replace(self, group_id: str, raw: bytes, answer: Answer) -> Answer:
        """PUT /Groups/{id}: members that are not in the body leave the group."""
        group = self._found(group_id, answer)
        document = _checked(parsed(raw))
        self._faults.reject("PUT", "Groups", group.external_id, group.display_name)
        members = self._members(document.get("members", []))
        self._store(group, document["displayName"], document.get("externalId"), members)
        answer.committed = True
        return self._with_resource(answer, group)

    def patch(self, group_id: str, raw: bytes, answer: Answer) -> Answer:
        """PATCH /Groups/{id}: all operations or none; 204, as groups may be large."""
        group = self._found(group_id, answer)
        self._faults.reject("PATCH", "Groups", group.external_id, group.display_name)
        state: dict[str, Any] = {
            "displayName": group.display_name,
            "externalId": group.external_id,
            "members": dict(group.members),
        }
        for operation in operations(parsed(raw)):
            for path, value in _paths(operation):
                self._change(state, operation.verb, path, value)
        if not isinstance(state["displayName"], str) or not state["displayName"]:
            raise ScimError(400, "Attribute 'displayName' is required and must be a string.", "invalidValue")
        self._store(group, state["displayName"], state["externalId"], state["members"])
        answer.status, answer.committed = 204, True
        answer.headers["ETag"] = _etag(group)
        answer.resource_id = group.id
        return answer

    def delete(self, group_id: str, answer: Answer) -> Answer:
        """DELETE /Groups/{id}: 204; its members stay, with their licenses."""
        group = self._found(group_id, answer)
        del self._by_id[group.id]
        answer.status, answer.committed = 204, True
        return answer

    def as_json(self, group: Group) -> dict[str, Any]:
        """The group as `GET /_sim/groups` shows it."""
        return {
            "id": group.id,
            "displayName": group.display_name,
            "externalId": group.external_id,
            "members": list(group.members),
            "createdAt": group.created_at,
            "updatedAt": group.updated_at,
        }

    def _found(self, group_id: str, answer: Answer | None = None) -> Group:
        group = self._by_id.get(group_id)
        if group is None:
            raise ScimError(404, "There is no group with this id.")
        if answer is not None:
            answer.external_id = group.external_id
        return group

    def _store(self, group: Group, name: str, external_id: object, members: dict[str, None]) -> None:
        if external_id is not None and not isinstance(external_id, str):
            raise ScimError(400, "'externalId' must be a string.", "invalidValue")
        for other in self._by_id.values():
            if other is group or self._settings.uniqueness == "allow":
                continue
            if other.display_name.casefold() == name.casefold():
                raise ScimError(409, "Another group has this 'displayName'.", "uniqueness")
            if external_id and other.external_id == external_id:
                raise ScimError(409, "Another group has this 'externalId'.", "uniqueness")
        if group.version and (group.display_name, group.external_id, group.members) == (name, external_id, members):
            return
        group.display_name, group.external_id, group.members = name, external_id, members
        group.version += 1
        group.updated_at = time.time()

    def _change(self, state: dict[str, Any], verb: str, path: str, value: object) -> None:
        urn = CORE_GROUP.lower() + ":"
        name = path[len(urn) :] if path.lower().startswith(urn) else path
        lowered = name.lower()
        if lowered in ("displayname", "externalid"):
            key = "displayName" if lowered == "displayname" else "externalId"
            if verb == "remove" and key == "displayName":
                raise ScimError(400, "'displayName' is required and cannot be removed.", "mutability")
            state[key] = None if verb == "remove" else value
        elif lowered == "members":
            self._change_members(state["members"], verb, value)
        elif lowered.startswith("members[") and name.endswith("]"):
            self._select_members(state["members"], verb, name[len("members[") : -1])
        elif lowered in ("id", "meta"):
            raise ScimError(400, f"'{lowered}' is read-only.", "mutability")
        elif lowered != "schemas":
            raise ScimError(400, "The path names an attribute that groups do not have.", "invalidPath")

    def _change_members(self, members: dict[str, None], verb: str, value: object) -> None:
        if verb == "remove":
            if value is MISSING or value is None:
                members.clear()
            else:
                for member in _listed(value):
                    members.pop(member, None)
            return
        if verb == "replace":
            members.clear()
        members.update(self._members(value))

    def _select_members(self, members: dict[str, None], verb: str, conditions: str) -> None:
        parsed_conditions = parse_conditions(conditions)
        if verb != "remove" or any(name != "value" for name, _ in parsed_conditions):
            raise ScimError(400, "Members can be selected by value only, and only to be removed.", "invalidFilter")
        for _, member in parsed_conditions:
            members.pop(str(member), None)

    def _members(self, value: object) -> dict[str, None]:
        members: dict[str, None] = {}
        for member in _listed(value):
            if self._accounts.get(member) is None and self._settings.unknownMember != "keep":
                if self._settings.unknownMember == "reject":
                    raise ScimError(400, "'members' must hold ids of users that exist.", "invalidValue")
                continue
            members[member] = None
        return members

    def _with_resource(self, answer: Answer, group: Group) -> Answer:
        answer.body = self._rendered(group, {})
        answer.resource_id = group.id
        answer.headers["ETag"] = _etag(group)
        return answer

    def _rendered(self, group: Group, query: dict[str, str]) -> bytes:
        base = self._accounts.base_url
        document: dict[str, Any] = {"schemas": [CORE_GROUP], "id": group.id}
        if group.external_id:
            document["externalId"] = group.external_id
        document["displayName"] = group.display_name
        if group.members and query.get("excludedAttributes", "").lower() != "members":
            document["members"] = [
                {"value": member, "$ref": f"{base}/Users/{member}", "type": "User"} for member in group.members
            ]
        document["meta"] = {
            "resourceType": "Group",
            "created": timestamp(group.created_at),
            "lastModified": timestamp(group.updated_at),
            "location": f"{base}/Groups/{group.id}",
            "version": _etag(group),
        }
        return orjson.dumps(document)


def _etag(group: Group) -> str:
    return f'W/"{group.version}"'


def _paths(operation: Operation) -> list[tuple[str, object]]:
    if operation.path is not None:
        return [(operation.path, operation.value)]
    if not isinstance(operation.value, dict):
        raise ScimError(400, "An operation without a path needs an object as its value.", "invalidValue")
    return [(path, value) for path, value in operation.value.items() if path.lower() != "id"]


def _checked(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ScimError(400, "The body must be a JSON object.", "invalidSyntax")
    schemas = document.get("schemas")
    if not isinstance(schemas, list) or CORE_GROUP not in schemas:
        raise ScimError(400, f"'schemas' must contain {CORE_GROUP}.", "invalidSyntax")
    if not isinstance(document.get("displayName"), str) or not document["displayName"]:
        raise ScimError(400, "Attribute 'displayName' is required and must be a string.", "invalidValue")
    return document


def _listed(value: object) -> list[str]:
    """The ids in a members value: an array of objects with `value`, or one such object."""
    ids: list[str] = []
    for entry in value if isinstance(value, list) else [value] if value is not None else []:
        member = entry.get("value") if isinstance(entry, dict) else entry
        if not isinstance(member, str) or not member:
            raise ScimError(400, "Each of 'members' must be an object with a 'value'.", "invalidValue")
        ids.append(member)
    return ids
