"""``/directoryObjects``: objects by their ids, and the delta function that this tenant does not have."""

from typing import Any

from simulators.graph.call import Call
from simulators.graph.entities import State
from simulators.graph.exchange import Reply
from simulators.graph.odata import GraphError, bad_request, project

MOST_IDS = 1000
TYPES = {"user": "user", "group": "group", "directoryobject": "*"}


def by_ids(call: Call) -> Reply:
    """``POST /directoryObjects/getByIds``: the live users and groups among up to 1,000 ids; unknown ones are left out."""
    call.require("directory object")
    content: Any = call.content
    ids = content.get("ids") if isinstance(content, dict) else None
    types = content.get("types") if isinstance(content, dict) else None
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise bad_request("The parameter 'ids' must be a collection of ids.")
    if len(ids) > MOST_IDS:
        raise bad_request(f"Too many ids: at most {MOST_IDS} can be asked for.")
    wanted = {TYPES.get(str(one).casefold()) for one in types or ["directoryObject"]}
    select = call.options.get("$select")
    directory = call.sim.directory
    rows: list[bytes] = []
    for one in dict.fromkeys(one.casefold() for one in ids):
        found = directory.users.get(one) or directory.groups.get(one)
        kind = "user" if one in directory.users else "group"
        if found is not None and found.state is State.LIVE and wanted & {kind, "*"}:
            body = found.json(project(kind, select, sparse=False))
            rows.append(b'{"@odata.type":"#microsoft.graph.%s",%s' % (kind.encode(), body[1:]))
    context = f'{{"@odata.context":"{call.origin}/v1.0/$metadata#directoryObjects","value":['
    return Reply(body=context.encode() + b",".join(rows) + b"]}")


def tracked(_: Call) -> Reply:
    """``/directoryObjects/delta`` is always 501: what it says about assignments is not documented."""
    raise GraphError(501, "NotImplemented", "The simulated tenant does not have this function.")
