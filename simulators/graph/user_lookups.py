"""One user asked for by name or by membership: "List users" with a filter on ``mail``, and "List a user's direct memberships"."""

import re

from simulators.graph.call import Call
from simulators.graph.entities import State
from simulators.graph.odata import not_found, project, unsupported
from simulators.graph.pages import Page
from simulators.graph.resources import resume, turn

_MAIL = re.compile(r"mail eq '((?:[^']|'')*)'", re.IGNORECASE)


def by_mail(call: Call) -> Page:
    """The live users with this mail address; any other filter is unsupported."""
    call.require("user")
    call.options.only("$filter", "$select", "$top")
    found = _MAIL.fullmatch((call.options.get("$filter") or "").strip())
    if found is None:
        raise unsupported("Unsupported or invalid query filter clause: mail eq only.")
    wanted = found.group(1).replace("''", "'").casefold()
    directory, lsn = call.sim.directory, call.sees("users")
    projection = project("user", call.options.get("$select"), sparse=False)
    rows = [
        user.json(projection)
        for each in directory.user_order
        if (user := directory.seen(each, lsn)) is not None
        and user.state is State.LIVE
        and str(user.properties.get("mail") or "").casefold() == wanted
    ]
    return turn(call, "users by mail", "users", rows[: call.top()], None)


def memberships(call: Call, key: str) -> Page:
    """A page of the live groups whose direct member a live user is."""
    call.require("user")
    call.require("group")
    call.options.only("$select", "$top", "$skiptoken", "$count")
    directory = call.sim.directory
    found = directory.users.get(directory.by_name.get(key.casefold(), key.casefold()))
    user = None if found is None else directory.seen(found, call.sees("users"))
    if found is None or user is None or user.state is not State.LIVE:
        raise not_found(key[:80])
    lsn = call.sees("groups")
    projection = project("group", call.options.get("$select"), sparse=False)
    start, top = resume(call, f"memberOf {found.id}"), call.top()
    rows: list[bytes] = []
    position = start
    while position < len(directory.group_order) and len(rows) < top:
        group = directory.group_order[position]
        position += 1
        seen = directory.seen(group, lsn)
        members = group.members if lsn is None else directory.members_at(group, lsn)
        if seen is not None and seen.state is State.LIVE and found.id in members:
            rows.append(b'{"@odata.type":"#microsoft.graph.group",' + seen.json(projection)[1:])
    further = position if position < len(directory.group_order) else None
    return turn(call, f"memberOf {found.id}", "directoryObjects", rows, further)
