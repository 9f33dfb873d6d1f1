"""Of which of some groups an object is a member: "directoryObject: checkMemberGroups", for users and for groups."""

import orjson

from simulators.graph.call import Call
from simulators.graph.directory import Directory
from simulators.graph.entities import State
from simulators.graph.exchange import Reply
from simulators.graph.odata import bad_request, not_found

MOST_GROUPS = 20


def of_user(call: Call, key: str) -> Reply:
    """Those of up to 20 groups whose member a live user is, directly or through other groups."""
    call.require("user")
    directory = call.sim.directory
    found = directory.users.get(directory.by_name.get(key.casefold(), key.casefold()))
    user = None if found is None else directory.seen(found, call.sees("users"))
    return _check(call, None if found is None or user is None or user.state is not State.LIVE else found.id, key)


def of_group(call: Call, key: str) -> Reply:
    """Those of up to 20 groups whose member a live group is, directly or through other groups."""
    directory = call.sim.directory
    found = directory.groups.get(key.casefold())
    group = None if found is None else directory.seen(found, call.sees("groups"))
    return _check(call, None if found is None or group is None or group.state is not State.LIVE else found.id, key)


def _check(call: Call, object_id: str | None, key: str) -> Reply:
    call.require("group")
    call.options.only()
    ids = call.content.get("groupIds") if isinstance(call.content, dict) else None
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise bad_request("The parameter 'groupIds' must be a collection of ids.")
    if len(ids) > MOST_GROUPS:
        raise bad_request(f"Too many ids: at most {MOST_GROUPS} can be asked for.")
    if object_id is None:
        raise not_found(key[:80])
    directory, lsn = call.sim.directory, call.sees("groups")
    body = {
        "@odata.context": f"{call.origin}/v1.0/$metadata#Collection(Edm.String)",
        "value": [one for one in dict.fromkeys(ids) if _belongs(directory, object_id, one.casefold(), lsn)],
    }
    return Reply(body=orjson.dumps(body))


def _belongs(directory: Directory, object_id: str, group_id: str, lsn: int | None) -> bool:
    """Whether the object is found below the group by going down through live groups."""
    waiting, met = [group_id], {group_id}
    while waiting:
        group = directory.groups.get(waiting.pop())
        seen = None if group is None else directory.seen(group, lsn)
        if group is None or seen is None or seen.state is not State.LIVE:
            continue
        members = group.members if lsn is None else directory.members_at(group, lsn)
        if object_id in members:
            return True
        below = {one for one in members if one in directory.groups} - met
        met |= below
        waiting += below
    return False
