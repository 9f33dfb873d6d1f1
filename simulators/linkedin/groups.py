"""The Groups endpoint: create by push, find by displayName, add and remove members in both PATCH dialects."""

import random
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

from simulators.linkedin.accounts import Accounts, timestamp
from simulators.linkedin.answers import Answer, listing, selected
from simulators.linkedin.attributes import CORE_GROUP
from simulators.linkedin.errors import GatewayError, ScimError
from simulators.linkedin.faults import Faults
from simulators.linkedin.filters import parse_equals
from simulators.linkedin.group_patch import GroupChange, apply, listed
from simulators.linkedin.members import MemberChange, Members
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
        self.members: Members = {}


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

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def memberships(self) -> int:
        """How many members all groups have together."""
        return sum(len(group.members) for group in self._by_id.values())

    def get(self, group_id: str) -> Group | None:
        """The group with this id."""
        return self._by_id.get(group_id)

    def remove(self, group_id: str) -> bool:
        """Take one group away; False when it is not there."""
        return self._by_id.pop(group_id, None) is not None

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
        if self._faults and found:
            now = time.time()
            found = [group for group in found if not self._faults.hides(now - group.created_at, "Groups")]
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
        self._replace(group, document, answer)
        self._by_id[group.id] = group
        answer.status, answer.committed = 201, True
        answer.headers["Location"] = f"{self._accounts.base_url}/Groups/{group.id}"
        return self._with_resource(answer, group)

    def replace(self, group_id: str, raw: bytes, answer: Answer) -> Answer:
        """PUT /Groups/{id}: members that are not in the body leave the group."""
        group = self._found(group_id, answer)
        document = _checked(parsed(raw))
        self._faults.reject("PUT", "Groups", group.external_id, group.display_name)
        self._replace(group, document, answer)
        answer.committed = True
        return self._with_resource(answer, group)

    def patch(self, group_id: str, raw: bytes, answer: Answer) -> Answer:
        """PATCH /Groups/{id}: all operations or none; 204, as groups may be large."""
        group = self._found(group_id, answer)
        self._faults.reject("PATCH", "Groups", group.external_id, group.display_name)
        change = _change_of(group)
        apply(change, parsed(raw), self._known)
        self._refuse_many(change.named)
        answer.members = change.named
        self._store(group, change)
        answer.status, answer.committed = 204, True
        answer.headers["ETag"] = _etag(group)
        answer.resource_id = group.id
        return answer

    def delete(self, group_id: str, answer: Answer) -> Answer:
        """DELETE /Groups/{id}: 204, unless the settings refuse it; its members stay, with their licenses."""
        if self._settings.deleteGroup != "remove":
            raise ScimError(int(self._settings.deleteGroup), "Groups cannot be deleted.")
        group = self._found(group_id, answer)
        self._faults.reject("DELETE", "Groups", group.external_id, group.display_name)
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

    def _replace(self, group: Group, document: dict[str, Any], answer: Answer) -> None:
        named = listed(document.get("members", []))
        self._refuse_many(len(named))
        answer.members = len(named)
        change = _change_of(group)
        change.display_name, change.external_id = document["displayName"], document.get("externalId")
        change.members.clear()
        change.members.add(self._known(named))
        self._store(group, change)

    def _store(self, group: Group, change: GroupChange) -> None:
        """Make the group what it is to become. Costs what changes: a member of a large group no more than one of a small group."""
        if change.external_id is not None and not isinstance(change.external_id, str):
            raise ScimError(400, "'externalId' must be a string.", "invalidValue")
        known_as = (group.display_name, group.external_id)
        renamed = known_as != (change.display_name, change.external_id)
        if renamed and self._settings.uniqueness != "allow":
            self._refuse_double(group, change)
        if group.version and not renamed and not change.members:
            return
        group.display_name, group.external_id = change.display_name, change.external_id
        change.members.commit()
        group.version += 1
        group.updated_at = time.time()

    def _refuse_double(self, group: Group, change: GroupChange) -> None:
        for other in self._by_id.values():
            if other is group:
                continue
            if other.display_name.casefold() == change.display_name.casefold():
                raise ScimError(409, "Another group has this 'displayName'.", "uniqueness")
            if change.external_id and other.external_id == change.external_id:
                raise ScimError(409, "Another group has this 'externalId'.", "uniqueness")

    def _refuse_many(self, named: int) -> None:
        most = self._settings.mostMembers
        if most and named > most:
            raise ScimError(413, f"A request may name at most {most} members.")

    def _known(self, members: Iterable[str]) -> list[str]:
        """Those who may be members: whoever the settings say, or ScimError."""
        how = self._settings.unknownMember
        if how == "keep":
            return list(members)
        known = []
        for member in members:
            if self._accounts.get(member) is not None:
                known.append(member)
            elif how == "reject":
                raise ScimError(400, "'members' must hold ids of users that exist.", "invalidValue")
            elif how == "notFound":
                raise ScimError(404, "There is no user with an id that 'members' holds.")
        return known

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


def _change_of(group: Group) -> GroupChange:
    return GroupChange(
        display_name=group.display_name, external_id=group.external_id, members=MemberChange(group.members)
    )


def _checked(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ScimError(400, "The body must be a JSON object.", "invalidSyntax")
    schemas = document.get("schemas")
    if not isinstance(schemas, list) or CORE_GROUP not in schemas:
        raise ScimError(400, f"'schemas' must contain {CORE_GROUP}.", "invalidSyntax")
    if not isinstance(document.get("displayName"), str) or not document["displayName"]:
        raise ScimError(400, "Attribute 'displayName' is required and must be a string.", "invalidValue")
    return document
