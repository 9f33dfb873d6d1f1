"""Users asked for by name: "List users" with a filter on ``mail``."""

import re

from simulators.graph.call import Call
from simulators.graph.entities import State
from simulators.graph.odata import project, unsupported
from simulators.graph.pages import Page
from simulators.graph.resources import turn

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
