"""The six oracles, held against one run."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
from structlog.testing import capture_logs

from tests.fuzz.driver import Run
from tests.fuzz.plans import Plan
from tests.fuzz.world import World

SETTLING = 6
"""Cycles until what was said is the truth. Three settle what was read; what the proofs of a removal add: two absences of an object that a
full read lacks, the listing that must agree before somebody leaves, and the cycle after an operator approved a hold."""
QUIET_SECONDS = 61.0


async def hold(world: World, plan: Plan) -> Run:
    """Carry out a plan and hold every oracle; raises ``AssertionError`` with all that is wrong."""
    await world.empty()
    with capture_logs() as logs:
        run = Run(world, plan)
        try:
            await run.carry_out()
            run.cycles_to_settle = await run.settle(SETTLING)
            problems = [*run.problems, *_fold(run), *_converged(run)]
            if not problems:
                problems += await _cost(run)
            problems += _isolation(run, logs)
        finally:
            for process in run.processes:
                await process.close()
    assert not problems, "\n".join([*problems, "failed cycles: " + "; ".join(run.errors[-8:])])
    return run


def _converged(run: Run) -> Iterator[str]:
    """1. Convergence."""
    if run.cycles_to_settle is None:
        yield f"after {SETTLING} undisturbed cycles: " + "; ".join(run.differences() or ["a hold is still there"])


def _fold(run: Run) -> Iterator[str]:
    """2. Fold: versions without gap, event ids that are unique."""
    yield from run.said.problems


async def _cost(run: Run) -> list[str]:
    """5. Cost: a quiet cycle, and nothing sent while a Retry-After runs."""
    problems = [f"sent although Graph had asked to wait: {early}" for one in run.processes for early in one.http.early]
    run.tenant.turn({"emptyPages": False, "pageSize": 200, "pageMembers": 2000, "memberSlice": 500})
    for _ in range(5):
        run.advance(QUIET_SECONDS)
        run._began = len(run._lows)
        await run.finish()
        async with run.world.database.connection() as connection:
            due = await connection.fetch(
                "SELECT kind, object_id, reason FROM recheck WHERE due_at <= $1", run.now + timedelta(seconds=2)
            )
        if not due:
            break
    else:
        problems.append(f"questions about single objects do not end: {[tuple(row) for row in due]}")
    await run.note()
    before, story = run.process.http.sent, len(run.said.story)
    run.advance(1)
    run._began = len(run._lows)
    await run.cycle()
    await run.note()
    if len(run.said.story) != story:
        problems.append(f"a quiet cycle said something: {run.said.story[story:]}")
    if (cost := run.process.http.sent - before) > 1 + 1 + 2:
        problems.append(f"a quiet cycle cost {cost} requests")
    return problems


def _isolation(run: Run, logs: Any) -> Iterator[str]:
    """6. Isolation: tokens, secrets, links and people stay where they belong."""
    world = run.world
    if world.foreign.requests:
        yield f"a foreign host was asked: {world.foreign.requests}"
    host = world.simulator.url.partition("//")[2]
    hosts = {host for process in run.processes for host in process.http.hosts}
    if hosts - {host}:
        yield f"bearer tokens went to {hosts}"
    said = "\n".join(run.said.texts)
    logged = orjson.dumps(logs, default=str).decode() + "\n".join([*world.logs.lines, *run.errors])
    hidden = [run.tenant.directory.tenant.client_secret, "deltatoken", "skiptoken", world.simulator.url, "Bearer "]
    hidden += [token for process in run.processes for token in process.http.tokens]
    people = [
        str(user.properties[name])
        for user in run.tenant.directory.user_order
        for name in ("userPrincipalName", "mail", "displayName")
        if user.properties.get(name)
    ]
    for text, place, secrets in ((said, "what was said", hidden), (logged, "a log or an error", [*hidden, *people])):
        folded = text.casefold()
        for secret in secrets:
            if secret.casefold() in folded:
                at = folded.index(secret.casefold())
                yield f"{place} holds {secret[:30]!r}: ...{text[max(0, at - 80) : at + 20]!r}"


async def hold_against_twin(world: World, plan: Plan) -> Run:
    """4. Crash: hold the oracles, then carry the plan out again without its crashes: the same was said of everybody, word for word.

    That is well defined because a cycle that crashed before its commit is run again at once, on the same directory at the same time, and
    because nothing is used up by being asked twice. Messages about cycles may differ: a cycle that began anew says so.
    """
    run = await hold(world, plan)
    await world.empty()
    with capture_logs():
        twin = Run(world, plan, with_crashes=False, started=run.started)
        try:
            await twin.carry_out()
            await twin.settle(SETTLING)
            await _cost(twin)
        finally:
            for process in twin.processes:
                await process.close()
    assert sorted(run.said.story) == sorted(twin.said.story)
    return run
