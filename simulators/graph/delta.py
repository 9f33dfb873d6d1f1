"""GET /users/delta and /groups/delta ("user: delta", "group: delta"): protocol, tokens and pages of a round."""

from dataclasses import replace

from simulators.graph.call import Call
from simulators.graph.entities import Projection
from simulators.graph.odata import GraphError, filter_ids, project, unsupported
from simulators.graph.pages import Page
from simulators.graph.replica import TYPES
from simulators.graph.rounds import View, contents_of, replayed
from simulators.graph.statetokens import Cursor, Round, expired

START: Cursor = (0, ())


def delta(call: Call, kind: str) -> Page:
    """The page that the request asks for. ``kind`` is "users", "groups" or "servicePrincipals" (properties only)."""
    call.require("application" if kind == "servicePrincipals" else _type(kind))
    token, skip = call.options.get("$deltatoken"), call.options.get("$skiptoken")
    tokens = call.sim.tokens
    if skip:
        return _page(call, tokens.open_round(skip, kind=kind, delta=False))
    if token and token.casefold() != "latest":
        return _page(call, _resume(call, kind, token))
    if call.sim.knobs.unsupported_delta_options == "reject":
        for name in ("$top", "$orderby", "$expand", "$search", "$count"):
            if call.options.get(name) is not None:
                raise unsupported(f"The query option '{name}' is not supported with delta query.")
    select = call.options.get("$select")
    project(_type(kind), select, sparse=True, delta=True)
    begun = Round(
        kind=kind,
        select=select,
        ids=filter_ids(call.options.get("$filter")),
        after=None,
        upto=_visible(call, kind),
        total=0,
        cursor=START,
        issued=call.sim.clock.now(),
    )
    if token:
        return _page(call, begun)
    _, order = call.sim.directory.collection(kind)
    total = len(order)
    while not begun.ids and total and call.sim.directory.seen(order[total - 1], _seen(call, begun)) is None:
        total -= 1
    return _page(call, replace(begun, total=len(begun.ids) or total))


def _visible(call: Call, kind: str) -> int:
    """Where a round that begins now ends: no later than what the replica has seen of this type."""
    log, replica = call.sim.directory.log, call.sim.replica
    return max(1, replica.visible(kind) - call.transactions_behind) if kind in TYPES else log.lsn


def _seen(call: Call, state: Round) -> int | None:
    if state.kind not in TYPES or not (call.sim.replica.behind or call.transactions_behind):
        return None
    lsn = max(state.upto, _visible(call, state.kind))
    return None if lsn >= call.sim.directory.log.lsn else lsn


def _resume(call: Call, kind: str, token: str) -> Round:
    sim = call.sim
    try:
        stored = sim.tokens.open_round(token, kind=kind, delta=True)
        if sim.clock.now() - stored.issued > sim.knobs.delta_token_days * 86_400:
            raise expired(sim.knobs.delta_expiry)
    except GraphError as error:
        if error.status == 410:
            select = "".join(f"{name}={value}&" for name, value in call.options.known.items() if name == "$select")
            error.headers["Location"] = f"{call.origin}{call.path}?{select}$deltatoken="
        raise
    upto = max(stored.after or 1, _visible(call, kind))
    resumed = replace(stored, upto=upto, total=0, cursor=START)
    changes = sim.plans.of(sim.directory, resumed, _projection(resumed))
    return replace(resumed, total=len(changes))


def _type(kind: str) -> str:
    return kind[:-1]


def _projection(state: Round) -> Projection:
    return project(_type(state.kind), state.select, sparse=True, delta=True)


def _view(call: Call, state: Round) -> View:
    sim = call.sim
    projection = _projection(state)
    changes = None if state.after is None else sim.plans.of(sim.directory, state, projection)
    return View(
        directory=sim.directory,
        state=state,
        projection=projection,
        changes=changes,
        minimal=call.minimal,
        seen=_seen(call, state),
    )


def _page(call: Call, state: Round) -> Page:
    sim = call.sim
    names = f"({state.select})" if state.select else ""
    page = Page(
        context=f"{call.origin}/v1.0/$metadata#{state.kind}{names}",
        rows=[],
        again=lambda: _link(call, state),
        tracked=True,
        replay=lambda count: replayed(_view(call, state), count),
        applied="return=minimal" if call.minimal else None,
    )
    if sim.knobs.empty_pages and state.fresh:
        page.next_link = _link(call, replace(state, fresh=False))
        return page
    page.rows, cursor = _fill(call, state)
    if cursor is None:
        done = replace(state, after=state.upto, total=-1, cursor=START, issued=sim.clock.now(), fresh=True)
        page.delta_link = _link(call, done)
    else:
        page.next_link = _link(call, replace(state, cursor=cursor, fresh=True))
    return page


def _fill(call: Call, state: Round) -> tuple[list[bytes], Cursor | None]:
    """The rows of the page at the cursor, and the cursor of the next one.

    A group whose members did not fit goes first on the next page, one slice per page, with other groups behind it.
    """
    knobs = call.sim.knobs
    view = _view(call, state)
    contents = contents_of(view)
    index, carried = state.cursor
    rows: list[bytes] = []
    pending: list[tuple[int, int]] = []
    weight = 0
    for position, offset in carried:
        part = contents.part(position, offset)
        rows += part.rows
        weight += part.weight
        if part.rest is not None:
            pending.append((position, part.rest))
    while index < state.total and len(rows) < knobs.page_size:
        room = knobs.page_size - len(rows)
        together = view.living(index, room)
        if together is None:
            break
        rows += together
        index = min(index + room, state.total)
    while index < state.total and len(rows) < knobs.page_size and weight < knobs.page_members:
        part = contents.part(index, 0)
        rows += part.rows
        weight += part.weight
        if part.rest is not None:
            pending.append((index, part.rest))
        index += 1
    return rows, (index, tuple(pending)) if pending or index < state.total else None


def _link(call: Call, state: Round) -> str:
    name = "$deltatoken" if state.is_delta else "$skiptoken"
    return call.link(f"{name}={call.sim.tokens.seal_round(state)}")
