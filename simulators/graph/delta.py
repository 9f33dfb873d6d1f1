"""GET /users/delta and /groups/delta ("user: delta", "group: delta"): protocol, tokens and pages of a round."""

from dataclasses import replace

from simulators.graph.call import Call
from simulators.graph.entities import Projection
from simulators.graph.odata import GraphError, filter_ids, project, unsupported
from simulators.graph.pages import Page
from simulators.graph.rounds import Contents, GroupRound, UserRound
from simulators.graph.statetokens import Cursor, Round, expired

START: Cursor = (0, ())


def delta(call: Call, kind: str) -> Page:
    """The page that the request asks for. ``kind`` is "users" or "groups"."""
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
        upto=call.sim.directory.log.lsn,
        total=0,
        cursor=START,
        issued=call.sim.clock.now(),
    )
    if token:
        return _page(call, begun)
    order = call.sim.directory.user_order if kind == "users" else call.sim.directory.group_order
    return _page(call, replace(begun, total=len(begun.ids) or len(order)))


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
    resumed = replace(stored, upto=sim.directory.log.lsn, total=0, cursor=START)
    changes = sim.plans.of(sim.directory, resumed, _projection(resumed))
    return replace(resumed, total=len(changes))


def _type(kind: str) -> str:
    return "user" if kind == "users" else "group"


def _projection(state: Round) -> Projection:
    return project(_type(state.kind), state.select, sparse=True, delta=True)


def _contents(call: Call, state: Round) -> Contents:
    sim = call.sim
    projection = _projection(state)
    changes = None if state.after is None else sim.plans.of(sim.directory, state, projection)
    make = UserRound if state.kind == "users" else GroupRound
    return make(sim.directory, state, projection, changes, call.minimal)


def _page(call: Call, state: Round) -> Page:
    sim = call.sim
    names = f"({state.select})" if state.select else ""
    page = Page(
        context=f"{call.origin}/v1.0/$metadata#{state.kind}{names}",
        rows=[],
        again=lambda: _link(call, state),
        tracked=True,
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
    contents = _contents(call, state)
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
