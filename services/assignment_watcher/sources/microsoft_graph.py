"""Microsoft Graph as a source: assignments in full, groups with their direct members and users by delta query."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

import orjson

from services.assignment_watcher.answers import same_origin
from services.assignment_watcher.graph import Graph, NotFoundError
from services.assignment_watcher.listing import AssignmentRow
from services.assignment_watcher.sources.source import ChangePage, SourceUnavailableError, Stream
from shared.contracts import job as definition
from shared.contracts.assignments import AppRole

ALWAYS_SELECTED: Final = ("id", "userPrincipalName", "displayName", "mail", "accountEnabled")
GROUP_PROPERTIES: Final = ("id", "displayName", "securityEnabled", "members")
PRINCIPALS: Final = {"user": "user", "group": "group"}
"""Principal types that count; a grant to a service principal is app-only."""

MOST_PAGES: Final = 50_000
MOST_REPEATS: Final = 3
MOST_EMPTY_PAGES: Final = 1_000


class MicrosoftGraph:
    """One enterprise application (service principal) of one tenant. Keeps the ``Source`` protocol."""

    def __init__(self, graph: Graph, source: definition.Source, attributes: Iterable[str]) -> None:
        self._graph = graph
        self._principal = f"{graph.root}/v1.0/servicePrincipals/{source.service_principal_id}"
        self.identity = f"{graph.root} {source.tenant_id} {source.service_principal_id}"
        self._select = ",".join(sorted({*ALWAYS_SELECTED, *attributes}))

    def query(self, stream: Stream) -> str:
        """Return the URL of a full read ("user: delta", "group: delta")."""
        select = self._select if stream is Stream.USERS else ",".join(GROUP_PROPERTIES)
        return f"{self._graph.root}/v1.0/{stream}/delta?$select={select}"

    async def read_roles(self) -> Sequence[AppRole]:
        """Return the ``appRoles`` of the service principal ("Get servicePrincipal")."""
        try:
            _, found = await self._graph.get(
                f"{self._principal}?$select=id,appId,accountEnabled,appRoles", "servicePrincipal"
            )
        except NotFoundError:
            raise SourceUnavailableError(
                "the service principal of the job does not exist in this tenant; check servicePrincipalId, which is the object id of the "
                "enterprise application",
                http_status=404,
            ) from None
        if found.get("accountEnabled") is False:
            raise SourceUnavailableError(
                "the enterprise application is disabled for sign-in; enable it or pause the job"
            )
        roles = found.get("appRoles")
        if not isinstance(roles, list):
            raise SourceUnavailableError("Microsoft Graph gave a service principal without appRoles")
        return [
            AppRole(id=role["id"].lower(), value=role.get("value") or "", display_name=role.get("displayName") or "")
            for role in roles
            if isinstance(role, dict) and isinstance(role.get("id"), str)
        ]

    async def read_assignments(self) -> AsyncIterator[Sequence[AssignmentRow]]:
        """Yield pages of "List appRoleAssignments granted for a service principal"."""
        link: str | None = f"{self._principal}/appRoleAssignedTo?$top=999"
        guard = LoopGuard("appRoleAssignedTo")
        first = True
        while link is not None:
            try:
                _, page = await self._graph.get(link, "appRoleAssignedTo", page_token=not first)
            except NotFoundError as error:
                raise SourceUnavailableError(str(error), http_status=404) from None
            value = _value(page, "appRoleAssignedTo")
            guard.check(value)
            yield [row for item in value if (row := _row(item)) is not None]
            link, first = page.get("@odata.nextLink"), False

    async def read_changes(self, stream: Stream, link: str | None) -> AsyncIterator[ChangePage]:
        """Yield the pages of one delta round ("Use delta query to track changes in Microsoft Graph data")."""
        url, delta_token, page_token = link or self.query(stream), link is not None, False
        guard = LoopGuard(f"{stream}/delta")
        while True:
            try:
                body, page = await self._graph.get(
                    url, f"{stream}/delta", delta_token=delta_token, page_token=page_token
                )
            except NotFoundError as error:
                raise SourceUnavailableError(str(error), http_status=404) from None
            value = _value(page, f"{stream}/delta")
            guard.check(value)
            following, done = page.get("@odata.nextLink"), page.get("@odata.deltaLink")
            if isinstance(following, str) == isinstance(done, str):
                raise SourceUnavailableError(f"Microsoft Graph gave a page of {stream}/delta without one link to go on")
            if done is not None:
                self._own(done, stream)
            yield ChangePage(body=body.decode() if value else "", records=len(value), link=done)
            if following is None:
                return
            url, delta_token, page_token = following, False, True

    async def read_members(self, group_id: str) -> AsyncIterator[ChangePage]:
        """Yield the pages of "List group members"."""
        link: str | None = f"{self._graph.root}/v1.0/groups/{quote(group_id, safe='')}/members?$select=id&$top=999"
        guard = LoopGuard("groups/members")
        first = True
        while link is not None:
            try:
                _, page = await self._graph.get(link, "groups/members", page_token=not first)
            except NotFoundError:
                return
            value = _value(page, "groups/members")
            guard.check(value)
            body = orjson.dumps({"value": [{"id": group_id, "members@delta": value}]}).decode()
            yield ChangePage(body=body, records=1, link=None)
            link, first = page.get("@odata.nextLink"), False

    async def read_user(self, user_id: str) -> str | None:
        """Return one user ("Get a user") as the only record of a page."""
        url = f"{self._graph.root}/v1.0/users/{quote(user_id, safe='')}?$select={self._select}"
        try:
            _, found = await self._graph.get(url, "user")
        except NotFoundError:
            return None
        return orjson.dumps({"value": [{name: value for name, value in found.items() if name[:1] != "@"}]}).decode()

    def _own(self, link: str, stream: Stream) -> None:
        if not same_origin(self._graph.root, link):
            raise SourceUnavailableError(
                f"Microsoft Graph gave a deltaLink for {stream} to another host; it is not kept"
            )


class LoopGuard:
    """Ends a round that does not end by itself: chains of links that repeat the same page have been reported."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._seen: Counter[bytes] = Counter()
        self._pages = self._empty = 0

    def check(self, value: list[Any]) -> None:
        """Count one page; raises ``SourceUnavailableError`` when the round goes in circles."""
        self._pages += 1
        self._empty = 0 if value else self._empty + 1
        repeats = 0
        if value:
            digest = hashlib.blake2b(orjson.dumps(value), digest_size=16).digest()
            self._seen[digest] += 1
            repeats = self._seen[digest]
        if self._pages > MOST_PAGES or self._empty > MOST_EMPTY_PAGES or repeats > MOST_REPEATS:
            raise SourceUnavailableError(f"Microsoft Graph repeats pages of {self._what} without end")


def _value(page: dict[str, Any], what: str) -> list[Any]:
    value = page.get("value")
    if not isinstance(value, list):
        raise SourceUnavailableError(f"Microsoft Graph gave a page of {what} without a list of values")
    return value


def _row(item: Any) -> AssignmentRow | None:
    try:
        kind = PRINCIPALS.get(item["principalType"].lower())
        if kind is None:
            return None
        return AssignmentRow(
            item["id"], kind, item["principalId"].lower(), item["appRoleId"].lower(), item.get("createdDateTime")
        )
    except (KeyError, AttributeError, TypeError):
        raise SourceUnavailableError("Microsoft Graph gave an assignment without id, principal or role") from None
