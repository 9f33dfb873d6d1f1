"""Users, groups and their members ("Get a user", "List users", "Get group", "List group members")."""

from collections.abc import Sequence
from urllib.parse import quote

from multidict import CIMultiDict

from simulators.graph.call import Call
from simulators.graph.entities import Group, Projection, State, User
from simulators.graph.exchange import Reply
from simulators.graph.odata import bad_request, not_found, project, unsupported
from simulators.graph.pages import Page


def entity(call: Call, kind: str, key: str) -> bytes:
    """One live user (by id or userPrincipalName) or group; 404 Request_ResourceNotFound otherwise.

    Of a user the manager is given with ``$expand``: its id alone, and nothing for a user without one.
    """
    call.require(kind)
    call.options.only("$select", *(["$expand"] if kind == "user" else []))
    expanded = (call.options.get("$expand") or "").replace(" ", "").casefold()
    if expanded not in {"", "manager", "manager($select=id)"}:
        raise unsupported("The specified expand is not supported: only manager($select=id).")
    projection = project(kind, call.options.get("$select"), sparse=False)
    directory = call.sim.directory
    found: User | Group | None
    if kind == "user":
        found = directory.users.get(directory.by_name.get(key.casefold(), key.casefold()))
    else:
        found = directory.groups.get(key.casefold())
    found = None if found is None else directory.seen(found, call.sees(f"{kind}s"))
    if found is None or found.state is not State.LIVE:
        raise not_found(key[:80])
    context = f'{{"@odata.context":"{call.origin}/v1.0/$metadata#{kind}s/$entity",'
    body = context.encode() + found.json(projection)[1:]
    manager = found.properties.get("manager")
    return b'%s,"manager":%s}' % (body[:-1], directory.member_json[manager]) if expanded and manager else body


def listing(call: Call, kind: str) -> Page:
    """A page of all live users or groups, in order of creation."""
    call.require(kind)
    call.options.only("$select", "$top", "$skiptoken", "$count")
    projection = project(kind, call.options.get("$select"), sparse=False)
    order = call.sim.directory.user_order if kind == "user" else call.sim.directory.group_order
    start = resume(call, f"{kind}s")
    page = _walk(call, kind=f"{kind}s", order=order, projection=projection, start=start)
    if not start and call.eventual and (call.options.get("$count") or "").casefold() == "true":
        page.count = _living(call, kind)
    return page


def count(call: Call, kind: str) -> Reply:
    """How many live users or groups there are, as plain text."""
    call.require(kind)
    return plain_count(call, _living(call, kind))


def plain_count(call: Call, number: int) -> Reply:
    """A ``$count`` segment: 400 without ``ConsistencyLevel: eventual``."""
    call.options.only()
    if not call.eventual:
        raise bad_request("$count is not currently supported without the header ConsistencyLevel: eventual.")
    return Reply(body=str(number).encode(), headers=CIMultiDict({"Content-Type": "text/plain"}))


def _living(call: Call, kind: str) -> int:
    directory = call.sim.directory
    order: Sequence[User | Group] = directory.user_order if kind == "user" else directory.group_order
    return sum(found.state is State.LIVE for found in order)


def members(call: Call, key: str) -> Page:
    """A page of the live direct members of a group; without User.Read.All only type and id of a user are given."""
    call.require("group")
    call.options.only("$select", "$top", "$skiptoken", "$count")
    directory = call.sim.directory
    group, lsn = directory.groups.get(key.casefold()), call.sees("groups")
    seen = None if group is None else directory.seen(group, lsn)
    if group is None or seen is None or seen.state is not State.LIVE:
        raise not_found(key[:80])
    slots: Sequence[str | None] = group.slots if lsn is None else directory.members_at(group, lsn)
    select = call.options.get("$select")
    users = project("user", select if call.may_read("user") else "id", sparse=False)
    others = project("group", "id" if select else None, sparse=False)
    rows: list[bytes] = []
    position, top = resume(call, f"members {group.id}"), call.top()
    while position < len(slots) and len(rows) < top:
        member_id = slots[position]
        position += 1
        found = None if member_id is None else directory.any(member_id)
        if member_id is not None and found is not None and found.state is State.LIVE:
            kind = directory.kind_of(member_id)
            body = found.json(users if kind == "user" else others)
            rows.append(b'{"@odata.type":"#microsoft.graph.%s",%s' % (kind.encode(), body[1:]))
    return turn(call, f"members {group.id}", "directoryObjects", rows, position if position < len(slots) else None)


def resume(call: Call, what: str) -> int:
    """The position that the ``$skiptoken`` of this collection stands for, or 0."""
    token = call.options.get("$skiptoken")
    if not token:
        return 0
    content = call.sim.tokens.open(token, delta=False)
    if content.get("list") != what:
        raise bad_request("Badly formed token.")
    return int(content["at"])


def turn(call: Call, what: str, context: str, rows: list[bytes], further: int | None) -> Page:
    """A page of a collection; ``further`` is the position of the next one."""
    names = ("$top", "$select", "$filter")
    kept = "".join(
        f"{name}={quote(call.options.known[name], safe=',')}&" for name in names if name in call.options.known
    )

    def link(position: int) -> str:
        return call.link(f"{kept}$skiptoken={call.sim.tokens.seal({'list': what, 'at': position})}")

    here = resume(call, what)
    page = Page(context=f"{call.origin}/v1.0/$metadata#{context}", rows=rows, again=lambda: link(here))
    if further is not None:
        page.next_link = link(further)
    return page


def _walk(call: Call, *, kind: str, order: Sequence[User | Group], projection: Projection, start: int) -> Page:
    rows: list[bytes] = []
    position, top = start, call.top()
    directory, lsn = call.sim.directory, call.sees(kind)
    while position < len(order) and len(rows) < top:
        found = order[position] if lsn is None else directory.seen(order[position], lsn)
        position += 1
        if found is not None and found.state is State.LIVE:
            rows.append(found.json(projection))
    return turn(call, kind, kind, rows, position if position < len(order) else None)
