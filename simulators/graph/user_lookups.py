"""One user asked for by name or by membership: "List users" with a filter on ``mail``, and "directoryObject: checkMemberGroups"."""

import re

import orjson

from simulators.graph.call import Call
from simulators.graph.directory import Directory
from simulators.graph.entities import State
from simulators.graph.exchange import Reply
from simulators.graph.odata import bad_request, not_found, project, unsupported
from simulators.graph.pages import Page
from simulators.graph.resources import turn

MOST_GROUPS = 20
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


def check_member_groups(call: Call, key: str) -> Reply:
    """Those of up to 20 groups whose member a live user is, directly or through other groups ("checkMemberGroups")."""
    call.require("user")
    call.require("group")
    call.options.only()
    ids = call.content.get("groupIds") if isinstance(call.content, dict) else None
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise bad_request("The parameter 'groupIds' must be a collection of ids.")
    if len(ids) > MOST_GROUPS:
        raise bad_request(f"Too many ids: at most {MOST_GROUPS} can be asked for.")
    directory, lsn = call.sim.directory, call.sees("groups")
    found = directory.users.get(directory.by_name.get(key.casefold(), key.casefold()))
    user = None if found is None else directory.seen(found, call.sees("users"))
    if found is None or user is None or user.state is not State.LIVE:
        raise not_found(key[:80])
    above = _above(directory, found.id, lsn)
    body = {
        "@odata.context": f"{call.origin}/v1.0/$metadata#Collection(Edm.String)",
        "value": [one for one in dict.fromkeys(ids) if one.casefold() in above],
    }
    return Reply(body=orjson.dumps(body))


def _above(directory: Directory, object_id: str, lsn: int | None) -> set[str]:
    """The live groups that the object belongs to, however deep."""
    members = {
        group.id: group.members if lsn is None else directory.members_at(group, lsn)
        for group in directory.group_order
        if (seen := directory.seen(group, lsn)) is not None and seen.state is State.LIVE
    }
    above: set[str] = set()
    below = {object_id}
    while below:
        below = {group_id for group_id, held in members.items() if group_id not in above and below & set(held)}
        above |= below
    return above
