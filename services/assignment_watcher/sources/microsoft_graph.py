"""Microsoft Graph as a source: assignments in full, groups with their direct members and users by delta query."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import orjson
from prometheus_client import Counter as Metric

from services.assignment_watcher.graph.gateway import Asked, Graph
from services.assignment_watcher.graph.lookups import find
from services.assignment_watcher.graph.paging import Page, follow
from services.assignment_watcher.graph.refusals import NotFoundError, advised
from services.assignment_watcher.listing import AssignmentRow
from services.assignment_watcher.sources import graph_point_reads as point_reads
from services.assignment_watcher.sources.graph_memberships import belonging, member_groups
from services.assignment_watcher.sources.graph_records import MalformedRecordError, check_record, check_records
from services.assignment_watcher.sources.point_reads import Ways
from services.assignment_watcher.sources.source import (
    ChangePage,
    Found,
    Member,
    SourceError,
    SourceMisconfiguredError,
    SourceRefusedError,
    SourceUnavailableError,
    Stream,
)
from shared.contracts.assignments import AppRole, Lifecycle
from shared.contracts.job import MicrosoftGraphSource
from shared.runtime.log import logger

_log = logger(__name__)
_REFUSED = Metric("seatkeeper_graph_values_refused_total", "Attributes and records that were not taken over.", ["why"])

ALWAYS_SELECTED: Final = ("id", "userPrincipalName", "displayName", "mail", "accountEnabled", "userType")
GROUP_PROPERTIES: Final = ("id", "displayName", "securityEnabled")
MANAGER: Final = "manager"
"""No property but a relationship: delta query returns it on ``$select``, a read by id on ``$expand`` only."""
PRINCIPALS: Final = {"user": "user", "group": "group", "serviceprincipal": "servicePrincipal"}
_ENABLE_ADVICE: Final = (
    "In Microsoft Entra, switch on 'Enabled for users to sign-in?' of the enterprise application, or pause the job."
)
_ID_ADVICE: Final = (
    "Check source.servicePrincipalId of the job: it is the object id shown on the overview page of the enterprise application, not the "
    "application (client) id, and not the object id of the app registration."
)


class MicrosoftGraph:
    """One enterprise application (service principal) of one tenant. Keeps the ``Source`` protocol."""

    kind = "microsoft-graph"

    def __init__(
        self,
        graph: Graph,
        source: MicrosoftGraphSource,
        attributes: Iterable[str],
        *,
        group_attributes: Iterable[str] = (),
    ) -> None:
        self.graph = graph
        self._principal = f"/servicePrincipals/{quote(source.service_principal_id, safe='')}"
        self._principal_id = source.service_principal_id
        self.traffic = graph.traffic
        self.identity = f"{graph.root} {source.tenant_id} {source.service_principal_id}"
        properties = sorted({*ALWAYS_SELECTED, *attributes})
        self._select = ",".join(properties)
        self._select_one = ",".join(name for name in properties if name != MANAGER)
        self._managers = MANAGER in properties
        self._group_select = ",".join([*GROUP_PROPERTIES, *sorted({*group_attributes} - {*GROUP_PROPERTIES})])
        self._followed: set[Stream] = set()

    def query(self, stream: Stream) -> str:
        """Return the URL of a full read ("user: delta", "group: delta")."""
        select = self._select if stream is Stream.USERS else f"{self._group_select},members"
        return f"{self.graph.base}/{stream}/delta?$select={select}"

    async def read_roles(self) -> Sequence[AppRole]:
        """Return the ``appRoles`` of the service principal ("Get servicePrincipal")."""
        url = f"{self.graph.base}{self._principal}?$select=id,appId,accountEnabled,appRoles"
        try:
            found = (await self.graph.read(url, Asked(kind="servicePrincipal"))).content
        except NotFoundError:
            raise await self._principal_missing() from None
        except SourceUnavailableError as error:
            if error.failure.http_status == 400:
                raise _wrong_id("is not an object id", 400) from None
            raise
        if found.get("accountEnabled") is False:
            raise advised(
                SourceMisconfiguredError("the enterprise application is disabled for sign-in"), _ENABLE_ADVICE
            )
        roles = found.get("appRoles")
        if not isinstance(roles, list):
            raise SourceUnavailableError("Microsoft Graph gave a service principal without appRoles")
        return [
            AppRole(id=role["id"].lower(), value=_text(role.get("value")), display_name=_text(role.get("displayName")))
            for role in roles
            if isinstance(role, dict) and isinstance(role.get("id"), str)
        ]

    async def read_assignments(self) -> AsyncIterator[Sequence[AssignmentRow]]:
        """Yield pages of "List appRoleAssignments granted for a service principal"."""
        url = f"{self.graph.base}{self._principal}/appRoleAssignedTo?$top=999"
        try:
            async for page in follow(self.graph, url, Asked(kind="appRoleAssignedTo")):
                yield [row for item in page.value if (row := _row(item)) is not None]
        except NotFoundError as error:
            raise SourceUnavailableError(str(error), http_status=404) from None

    async def find_assignments(self, assignment_ids: Sequence[str]) -> frozenset[str]:
        """Return those that "Get appRoleAssignment" still gives. When it gives none, the application itself is asked for as well."""
        paths = [f"{self._principal}/appRoleAssignedTo/{quote(each, safe='')}" for each in assignment_ids]
        answers = await find(self.graph, paths, Asked(kind="appRoleAssignment"))
        found = frozenset(each for each, answer in zip(assignment_ids, answers, strict=True) if answer is not None)
        if assignment_ids and not found:
            # An application that is not there has no assignments either; that is not what "gone" means.
            await self.read_roles()
        return found

    async def read_changes(
        self, stream: Stream, link: str | None, *, page: str | None = None
    ) -> AsyncIterator[ChangePage]:
        """Yield the pages of one delta round ("Use delta query to track changes in Microsoft Graph data")."""
        asked = Asked(kind=f"{stream}/delta")
        pages = follow(
            self.graph,
            page or link or self.query(stream),
            asked,
            delta_token=page is None and link is not None,
            page_token=page is not None,
            proven=stream in self._followed,
        )
        try:
            async for each in pages:
                if (each.following is None) is (each.delta_link is None):
                    raise SourceUnavailableError(
                        f"Microsoft Graph gave a page of {asked.kind} without one link to go on"
                    )
                if link is not None:
                    self._followed.add(stream)
                yield self._change_page(each, stream)
        except NotFoundError as error:
            raise SourceUnavailableError(str(error), http_status=404) from None

    async def read_members(self, group_id: str, *, in_background: bool = False) -> AsyncIterator[ChangePage]:
        """Yield the pages of "List group members"."""
        url = f"{self.graph.base}/groups/{quote(group_id, safe='')}/members?$select=id&$top=999"
        asked = Asked(kind="groups/members", in_background=in_background)
        begun = False
        try:
            async for page in follow(self.graph, url, asked):
                begun = True
                record = {"id": group_id.lower(), "members@delta": page.value}
                _checked([record], "group", asked.kind)
                body = orjson.dumps({"value": [record]}).decode()
                yield ChangePage(body=body, records=1, following=page.following)
        except NotFoundError as error:
            if begun:
                raise SourceUnavailableError(str(error), http_status=404) from None

    async def find_members(self, group_id: str, absent: Sequence[Member], *, through: Sequence[str]) -> frozenset[str]:
        """Return those of whom "directoryObject: checkMemberGroups" says that they belong to the group, and to none of ``through``."""
        return await belonging(self.graph, group_id, absent, through)

    async def find_users(self, user_ids: Sequence[str], *, in_background: bool = False) -> Sequence[Found]:
        """Return what "Get a user" gives, and for the rest whether "Get deleted item" knows it."""
        expand = f"&$expand={MANAGER}($select=id)" if self._managers else ""
        found = await self._find("user", user_ids, self._select_one + expand, in_background=in_background)
        return [replace(one, record=_with_manager(one.record)) for one in found] if self._managers else found

    async def find_groups(self, group_ids: Sequence[str]) -> Sequence[Found]:
        """Return what "Get group" gives, and for the rest whether "Get deleted item" knows it.

        Deleted groups are shown with Group.Read.All only: without it a group that is not live is unknown.
        """
        return await self._find("group", group_ids, self._group_select, in_background=False)

    async def find_user(self, name: str) -> Found | None:
        """Return what "Get a user" gives for an object id, a userPrincipalName or a mail address, and whether it lies among the deleted."""
        user_id = await point_reads.find_id(self.graph, name)
        if user_id is None and not point_reads.is_id(name):
            return None
        [found] = await self.find_users([user_id or name])
        return None if found.lifecycle is Lifecycle.UNKNOWN else found

    async def read_ways(self, found: Found, groups: Sequence[str]) -> Ways:
        """Return assignments of the user's own, found by its display name, and the groups in question whose direct member it is.

        Graph says at once of which groups a user is any kind of member; only those are listed, to see whether it is a direct one.
        """
        name = (found.record or {}).get("displayName")
        rows = await point_reads.assignments_named(self.graph, self._principal, name) if isinstance(name, str) else []
        own = [row for item in point_reads.of_principal(rows, found.object_id) if (row := _row(item)) is not None]
        above = await member_groups(self.graph, found.object_id, groups) if groups else []
        return Ways(assignments=own, groups=[one for one in above if await self._lists(one, found.object_id)])

    async def _lists(self, group_id: str, user_id: str) -> bool:
        async for page in self.read_members(group_id):
            members = orjson.loads(page.body)["value"][0]["members@delta"]
            if any(str(member.get("id", "")).lower() == user_id for member in members):
                return True
        return False

    async def count_users(self) -> int | None:
        """Return what "Get the count of users" says, asked once."""
        asked = Asked(kind="users/$count", eventual=True, tries=1)
        try:
            return await self.graph.count(f"{self.graph.base}/users/$count", asked)
        except (SourceError, NotFoundError):
            return None

    async def _find(self, what: str, ids: Sequence[str], select: str, *, in_background: bool) -> list[Found]:
        wanted = list(dict.fromkeys(each.lower() for each in ids))
        paths = [f"/{what}s/{quote(each, safe='')}?$select={select}" for each in wanted]
        live = await find(self.graph, paths, Asked(kind=what, in_background=in_background))
        found = {
            each: _live(each, record, what) for each, record in zip(wanted, live, strict=True) if record is not None
        }
        rest = [each for each in wanted if each not in found]
        paths = [f"/directory/deletedItems/{quote(each, safe='')}?$select=id" for each in rest]
        try:
            deleted = await find(self.graph, paths, Asked(kind=f"deletedItems/{what}", in_background=in_background))
        except SourceRefusedError as error:
            if what != "group" or error.failure.http_status != 403:
                raise
            deleted = [None] * len(rest)
        for each, record in zip(rest, deleted, strict=True):
            deleted_kind = str((record or {}).get("@odata.type", f"#microsoft.graph.{what}")).casefold()
            known = record is not None and deleted_kind == f"#microsoft.graph.{what}"
            lifecycle = Lifecycle.SOFT_DELETED if known else Lifecycle.UNKNOWN
            found[each] = Found(object_id=each, lifecycle=lifecycle)
        return [found[each] for each in wanted]

    async def _principal_missing(self) -> SourceError:
        """Say what is wrong with the id: it often is that of the application instead of that of its service principal."""
        url = f"{self.graph.base}/servicePrincipals(appId='{quote(self._principal_id, safe='')}')?$select=id"
        try:
            found = (await self.graph.read(url, Asked(kind="servicePrincipal", tries=1))).content.get("id")
        except (SourceError, NotFoundError):
            found = None
        if isinstance(found, str):
            return _wrong_id(
                f"is the application (client) id; the object id of its enterprise application is {found}", 404
            )
        return _wrong_id("does not exist in this tenant", 404)

    def _change_page(self, page: Page, stream: Stream) -> ChangePage:
        records = _checked(page.value, "user" if stream is Stream.USERS else "group", f"{stream}/delta")
        body = page.body.decode() if records is page.value else orjson.dumps({"value": records}).decode()
        return ChangePage(
            body=body if records else "", records=len(records), link=page.delta_link, following=page.following
        )


def _wrong_id(what: str, status: int) -> SourceError:
    return advised(
        SourceMisconfiguredError(f"the service principal id of the job {what}", http_status=status), _ID_ADVICE
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _checked(value: list[Any], object_type: str, kind: str) -> list[Any]:
    refused: Counter[str] = Counter()
    try:
        records = check_records(value, object_type, refused)
    except MalformedRecordError as error:
        raise SourceUnavailableError(
            f"Microsoft Graph gave a page of {kind} that cannot be understood: {error}"
        ) from None
    _count(refused, kind)
    return records


def _count(refused: Counter[str], kind: str) -> None:
    for why, number in refused.items():
        _REFUSED.labels(why).inc(number)
    if refused:
        _log.warning("values were not taken over", action="values_refused", resource=kind, **_named(refused))


def _named(refused: Counter[str]) -> dict[str, int]:
    return {why.replace(" ", "_"): number for why, number in refused.items()}


def _live(object_id: str, record: Mapping[str, Any], what: str) -> Found:
    refused: Counter[str] = Counter()
    properties = {name: value for name, value in record.items() if name[:1] != "@"}
    try:
        properties = check_record(properties, refused)
    except MalformedRecordError as error:
        raise SourceUnavailableError(f"Microsoft Graph gave a {what} that cannot be understood: {error}") from None
    _count(refused, what)
    if properties["id"].lower() != object_id:
        raise SourceUnavailableError(f"Microsoft Graph gave another {what} than was asked for")
    return Found(object_id=object_id, lifecycle=Lifecycle.LIVE, record=properties | {"id": object_id})


def _with_manager(record: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the record with the id of the manager in place of the expanded object; who has none is given without it."""
    if record is None:
        return None
    manager = record.get(MANAGER)
    manager_id = manager.get("id") if isinstance(manager, dict) else None
    return {**record, MANAGER: manager_id.lower() if isinstance(manager_id, str) else None}


def _row(item: Any) -> AssignmentRow | None:
    try:
        kind = PRINCIPALS.get(item["principalType"].lower())
        if kind is None:
            return None
        return AssignmentRow(
            _whole(item["id"]),
            kind,
            _whole(item["principalId"]).lower(),
            _whole(item["appRoleId"]).lower(),
            _moment(item.get("createdDateTime")),
        )
    except (KeyError, AttributeError, TypeError):
        raise SourceUnavailableError("Microsoft Graph gave an assignment without id, principal or role") from None


def _moment(value: Any) -> str | None:
    try:
        return value if isinstance(value, str) and datetime.fromisoformat(value).tzinfo else None
    except ValueError:
        return None


def _whole(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("an id is a text")
    return value
