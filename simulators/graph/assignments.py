"""The service principal and who is assigned to it ("Get servicePrincipal", "List appRoleAssignments granted for a service
principal")."""

import re
from collections.abc import Callable

import orjson

from simulators.graph.call import Call
from simulators.graph.directory import Directory
from simulators.graph.entities import Assignment, State, keepable
from simulators.graph.exchange import Reply
from simulators.graph.odata import not_found, unsupported
from simulators.graph.pages import Page
from simulators.graph.resources import plain_count, resume, turn

_NAME = re.compile(r"principalDisplayName eq '((?:[^']|'')*)'", re.IGNORECASE)
_PREFIX = re.compile(r"startswith\(\s*principalDisplayName\s*,\s*'((?:[^']|'')*)'\s*\)", re.IGNORECASE)
_RESOURCE = re.compile(r"resourceId eq '?([0-9a-fA-F-]{36})'?", re.IGNORECASE)


def service_principal(call: Call, key: str) -> bytes:
    """The service principal by object id or by ``appId=..``, with the app roles it declares."""
    _find(call, key)
    call.options.only("$select")
    body = call.sim.directory.application.service_principal.properties
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
    listed = _listed(call)
    position, top = resume(call, "appRoleAssignedTo"), call.top()
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


def count(call: Call, key: str) -> Reply:
    """How many assignments are listed, as plain text."""
    _find(call, key)
    return plain_count(call, sum(one is not None for one in _listed(call)))


def assignment(call: Call, key: str, assignment_id: str) -> bytes:
    """One assignment by id; 404 when there is none, or its principal is soft-deleted and such rows are hidden."""
    _find(call, key)
    call.options.only()
    directory = call.sim.directory
    if call.sees("assignments") is None:
        found = assignment_id in directory.application.roster
    else:
        found = any(one is not None and one.id == assignment_id for one in _listed(call))
    if not found:
        raise not_found(assignment_id[:80])
    context = f'{{"@odata.context":"{call.origin}/v1.0/$metadata#appRoleAssignments/$entity",'
    known = {one.id: one for one in directory.application.struck} | directory.application.assignments
    return context.encode() + row(directory, known[assignment_id])[1:]


def _listed(call: Call) -> list[Assignment | None]:
    """The rows in their order, those of an older replica if one answers."""
    directory = call.sim.directory
    lsn = call.sees("assignments")
    if lsn is None:
        return directory.application.roster.rows

    def hidden(found: Assignment) -> bool:
        principal = directory.seen(directory.principal(found), lsn)
        live = principal is not None and principal.state is State.LIVE
        return principal is None or (not live and call.sim.knobs.hide_soft_deleted_assignments)

    return directory.application.at(lsn, hidden)


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
            "resourceDisplayName": directory.application.service_principal.properties["displayName"],
        }
        found.json = keepable(body)
    return found.json


def _find(call: Call, key: str) -> None:
    call.require("application")
    tenant = call.sim.directory.tenant
    live = call.sim.directory.application.service_principal.state is State.LIVE
    if not live or key.casefold() not in (tenant.service_principal_id, f"appid={tenant.app_id}"):
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
