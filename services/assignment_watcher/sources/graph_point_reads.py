"""Point reads of one user at Microsoft Graph: "Get a user", "List users" and "List appRoleAssignments granted for a service principal".
The permissions of the cycles are enough.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from services.assignment_watcher.graph.gateway import Asked, Graph
from services.assignment_watcher.graph.paging import follow
from services.assignment_watcher.graph.refusals import NotFoundError
from services.assignment_watcher.sources.source import SourceUnavailableError

MOST_PAGES: Final = 50
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


async def find_id(graph: Graph, name: str) -> str | None:
    """Return the object id of the user whose object id, userPrincipalName or mail address this is; nothing when nobody has it."""
    key = quote(name, safe="")
    try:
        # In this form a userPrincipalName may begin with any character.
        url = (
            f"{graph.base}/users/{key}?$select=id"
            if _plain(name)
            else f"{graph.base}/users('{_literal(name)}')?$select=id"
        )
        return _id((await graph.read(url, Asked(kind="user"))).content)
    except NotFoundError:
        pass
    except SourceUnavailableError as error:
        if error.failure.http_status != 400:  # what cannot be a name is nobody's
            raise
    if "@" not in name:
        return None
    condition = quote(f"mail eq '{name.replace(chr(39), chr(39) * 2)}'", safe="")
    content = (
        await graph.read(f"{graph.base}/users?$filter={condition}&$select=id&$top=2", Asked(kind="users"))
    ).content
    rows = content.get("value")
    found = [_id(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return found[0] if len(found) == 1 else None


async def assignments_named(graph: Graph, principal: str, display_name: str) -> list[Any]:
    """Return the assignments of an application whose principal is called so: the listing can be filtered by that name only."""
    literal = display_name.replace("'", "''")
    condition = quote(f"principalDisplayName eq '{literal}'", safe="")
    url = f"{graph.base}{principal}/appRoleAssignedTo?$filter={condition}&$top=999"
    return await _all(graph, url, "appRoleAssignedTo")


def is_id(name: str) -> bool:
    """Return whether this is an object id, so that it may be one of a deleted user."""
    return _UUID.fullmatch(name) is not None


def of_principal(rows: Iterable[Any], user_id: str) -> list[Any]:
    """Return those assignments that are of this user: a name is not unique."""
    return [row for row in rows if isinstance(row, dict) and str(row.get("principalId", "")).lower() == user_id]


async def _all(graph: Graph, url: str, kind: str) -> list[Any]:
    rows: list[Any] = []
    pages = 0
    try:
        async for page in follow(graph, url, Asked(kind=kind)):
            rows += page.value
            pages += 1
            if pages >= MOST_PAGES:
                break
    except NotFoundError:
        return []
    return rows


def _plain(name: str) -> bool:
    return not name.startswith("$")


def _literal(name: str) -> str:
    return quote(name.replace("'", "''"), safe="")


def _id(row: Mapping[str, Any]) -> str | None:
    value = row.get("id")
    return value.lower() if isinstance(value, str) and value else None
