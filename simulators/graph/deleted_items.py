"""Users and groups that were deleted and can be restored ("directory/deletedItems")."""

import orjson

from simulators.graph.call import Call
from simulators.graph.entities import Group, State, User
from simulators.graph.exchange import Reply
from simulators.graph.instants import instant
from simulators.graph.odata import not_found, project
from simulators.graph.pages import Page
from simulators.graph.resources import resume, turn


def listing(call: Call, kind: str) -> Page:
    """A page of the soft-deleted users or groups with their ``deletedDateTime`` ("List deletedItems")."""
    call.require(f"deleted {kind}")
    call.options.only("$select", "$top", "$skiptoken", "$count", "$orderby")
    directory = call.sim.directory
    order: list[User] | list[Group] = directory.user_order if kind == "user" else directory.group_order
    select = call.options.get("$select")
    rows: list[bytes] = []
    position, top = resume(call, f"deleted {kind}"), call.top()
    while position < len(order) and len(rows) < top:
        found = order[position]
        position += 1
        if found.state is State.SOFT:
            rows.append(_row(call, found, select))
    return turn(call, f"deleted {kind}", f"{kind}s", rows, position if position < len(order) else None)


def item(call: Call, key: str) -> bytes:
    """One soft-deleted user or group; 404 when it is live, gone for good, or was never there."""
    found = _find(call, key)
    call.require(f"deleted {_kind(found)}")
    call.options.only("$select")
    head = {
        "@odata.context": f"{call.origin}/v1.0/$metadata#directoryObjects/$entity",
        "@odata.type": f"#microsoft.graph.{_kind(found)}",
    }
    return orjson.dumps(head)[:-1] + b"," + _row(call, found, call.options.get("$select"))[1:]


def restore(call: Call, key: str) -> Reply:
    """Bring it back with the same id, memberships and assignments; 200 with the object."""
    found = _find(call, key)
    kind = _kind(found)
    call.require(f"restorable {kind}")
    call.sim.change({"op": f"restore{kind.capitalize()}", f"{kind}Id": found.id})
    body = found.json(project(kind, None, sparse=False))
    return Reply(body=b'{"@odata.type":"#microsoft.graph.%s",%s' % (kind.encode(), body[1:]))


def purge(call: Call, key: str) -> Reply:
    """Delete it for good; 204."""
    found = _find(call, key)
    kind = _kind(found)
    call.require(f"restorable {kind}")
    if kind == "user":
        call.sim.change({"op": "hardDeleteUser", "userId": found.id})
    else:
        call.sim.change({"op": "deleteGroup", "groupId": found.id, "permanent": True})
    return Reply(status=204)


def _find(call: Call, key: str) -> User | Group:
    directory = call.sim.directory
    wanted = key.casefold()
    found = directory.users.get(wanted) or directory.groups.get(wanted)
    if found is None or found.state is not State.SOFT:
        raise not_found(key[:80])
    return found


def _kind(found: User | Group) -> str:
    return "user" if isinstance(found, User) else "group"


def _row(call: Call, found: User | Group, select: str | None) -> bytes:
    deleted = {"deletedDateTime": instant(None, found.deleted_at or call.sim.clock.now())}
    projection = project(_kind(found), select, sparse=False)
    if select is None:
        return orjson.dumps(orjson.loads(projection.render(found.properties)) | deleted)
    return projection.render(found.properties | deleted)
