"""The service principal and who is assigned to it ("Get servicePrincipal", "List appRoleAssignments granted for a service
principal")."""

import re
from collections.abc import Callable

import orjson

from simulators.graph.call import Call
from simulators.graph.directory import Directory
from simulators.graph.entities import Assignment, keepable
from simulators.graph.odata import not_found, unsupported
from simulators.graph.pages import Page
from simulators.graph.resources import resume, turn

_NAME = re.compile(r"principalDisplayName eq '((?:[^']|'')*)'", re.IGNORECASE)
_PREFIX = re.compile(r"startswith\(\s*principalDisplayName\s*,\s*'((?:[^']|'')*)'\s*\)", re.IGNORECASE)
_RESOURCE = re.compile(r"resourceId eq '?([0-9a-fA-F-]{36})'?", re.IGNORECASE)


def service_principal(call: Call, key: str) -> bytes:
    """The service principal by object id or by ``appId=..``, with the app roles it declares."""
    _find(call, key)
    call.options.only("$select")
    tenant = call.sim.directory.tenant
    roles = [
        {
            "id": role.id,
            "value": role.value,
            "displayName": role.display_name,
            "description": role.display_name,
            "isEnabled": True,
            "allowedMemberTypes": ["User"],
            "origin": "Application",
        }
        for role in tenant.roles
    ]
    body = {
        "id": tenant.service_principal_id,
        "appId": tenant.app_id,
        "displayName": tenant.app_display_name,
        "accountEnabled": True,
        "appRoleAssignmentRequired": True,
        "servicePrincipalType": "Application",
        "appRoles": roles,
    }
    select = call.options.get("$select")
    if select is not None:
        asked = {name.strip().casefold() for name in select.split(",")} | {"id"}
        body = {name: value for name, value in body.items() if name.casefold() in asked}
    return orjson.dumps({"@odata.context": f"{call.origin}/v1.0/$metadata#servicePrincipals/$entity", **body})


def assigned_to(call: Call, key: str) -> Page:
    """A page of the assignments, 100 or ``$top`` rows. Paging is live: rows made or removed meanwhile move others."""
    _find(call, key)
    call.options.only("$top", "$filter", "$skiptoken", "$count", "$select")
    directory = call.sim.directory
    wanted = _filter(directory, call.options.get("$filter"))
    listed = directory.roster.rows
    position, top = resume(call, "appRoleAssignedTo"), call.options.top()
    rows: list[bytes] = []
    while position < len(listed) and len(rows) < top:
        assignment = listed[position]
        position += 1
        if assignment is not None and (wanted is None or wanted(assignment)):
            rows.append(row(directory, assignment))
    if (select := call.options.get("$select")) is not None:
        rows = [_select(body, select) for body in rows]
    further = position if position < len(listed) else None
    context = f"servicePrincipals('{directory.tenant.service_principal_id}')/appRoleAssignedTo"
    return turn(call, "appRoleAssignedTo", context, rows, further)


def assignment(call: Call, key: str, assignment_id: str) -> bytes:
    """One assignment by id; 404 when there is none, or its principal is soft-deleted and such rows are hidden."""
    _find(call, key)
    call.options.only()
    directory = call.sim.directory
    if assignment_id not in directory.roster:
        raise not_found(assignment_id[:80])
    context = f'{{"@odata.context":"{call.origin}/v1.0/$metadata#appRoleAssignments/$entity",'
    return context.encode() + row(directory, directory.assignments[assignment_id])[1:]


def row(directory: Directory, found: Assignment) -> bytes:
    """The JSON of one appRoleAssignment, kept until the principal is renamed."""
    if found.json is None:
        tenant = directory.tenant
        body = {
            "id": found.id,
            "deletedDateTime": None,
            "createdDateTime": found.created,
            "appRoleId": found.role_id,
            "principalType": found.principal_type,
            "principalId": found.principal_id,
            "principalDisplayName": directory.principal(found).properties.get("displayName"),
            "resourceId": tenant.service_principal_id,
            "resourceDisplayName": tenant.app_display_name,
        }
        found.json = keepable(body)
    return found.json


def _find(call: Call, key: str) -> None:
    call.require("application")
    tenant = call.sim.directory.tenant
    if key.casefold() not in (tenant.service_principal_id, f"appid={tenant.app_id}"):
        raise not_found(key[:80])


def _select(body: bytes, select: str) -> bytes:
    asked = {name.strip().casefold() for name in select.split(",")} | {"id"}
    return orjson.dumps({name: value for name, value in orjson.loads(body).items() if name.casefold() in asked})


def _filter(directory: Directory, text: str | None) -> Callable[[Assignment], bool] | None:
    if text is None:
        return None

    def name(assignment: Assignment) -> str:
        return str(directory.principal(assignment).properties.get("displayName")).casefold()

    if found := _NAME.fullmatch(text.strip()):
        wanted = found.group(1).replace("''", "'").casefold()
        return lambda assignment: name(assignment) == wanted
    if found := _PREFIX.fullmatch(text.strip()):
        prefix = found.group(1).replace("''", "'").casefold()
        return lambda assignment: name(assignment).startswith(prefix)
    if found := _RESOURCE.fullmatch(text.strip()):
        here = found.group(1).casefold() == directory.tenant.service_principal_id
        return lambda _: here
    raise unsupported("Unsupported or invalid query filter clause: principalDisplayName and resourceId only.")
