"""What the fuzzing found, as the smallest histories that showed it."""

from dataclasses import replace

import pytest

from services.assignment_watcher.reading.rechecks import PROOFS
from tests.fuzz.conftest import RUNS, SEED
from tests.fuzz.oracles import hold
from tests.fuzz.plans import (
    LISTING,
    MEMBERS,
    Change,
    Crash,
    Cycle,
    Expire,
    Fault,
    Meanwhile,
    Mutation,
    Pass,
    Plan,
    Step,
)
from tests.fuzz.world import World


def a_plan(*steps: Step, users: int = 4, groups: int = 2, seed: int = 3, nested: bool = False) -> Plan:
    """The first of two groups is assigned and holds the second one; two users are assigned directly."""
    return Plan(
        users=users,
        groups=groups,
        seed=seed,
        settings={"nestedGroups": nested},
        policy={},
        knobs={},
        steps=[Cycle(), *steps],
    )


def change(*operations: tuple[str, int, int]) -> Change:
    return Change([(op, first, second, "User") for op, first, second in operations])


async def test_a_member_that_leaves_in_the_cycle_that_confirms_the_end_of_its_group_leaves(world: World) -> None:
    await hold(world, a_plan(change(("unassignGroup", 0, 1)), Cycle(), change(("removeMember", 9, 0))))


@pytest.mark.parametrize("nested", [False, True])
async def test_a_full_read_that_first_shows_a_group_and_then_its_deletion_does_not_show_it(
    world: World, nested: bool
) -> None:
    deleted = change(("deleteGroup", 0, 1), ("deleteGroup", 0, 0))
    await hold(world, a_plan(deleted, Expire("delta", "410"), Cycle(), users=6, seed=7, nested=nested))


async def test_a_group_in_between_that_is_not_security_enabled_passes_nothing_on(world: World) -> None:
    await hold(world, a_plan(change(("secure", 0, 1)), Cycle(), users=6, seed=7, nested=True))


async def test_who_moves_from_a_group_to_an_assignment_of_its_own_between_two_reads_of_a_cycle_stays(
    world: World,
) -> None:
    moves = Cycle(middle=Meanwhile(3, [("swapToDirect", number, 0, "User") for number in range(6)]))
    await hold(world, a_plan(moves, users=6, seed=7))


@pytest.mark.parametrize("seconds", [2.0, 61.0])
async def test_who_moves_from_a_group_to_an_assignment_of_its_own_while_listings_come_empty_stays(
    world: World, seconds: float
) -> None:
    moves = change(*(("swapToDirect", number, 0) for number in range(6)))
    empty = Fault(LISTING, "empty", {"times": 4})
    await hold(world, a_plan(moves, empty, Cycle(seconds), Cycle(seconds), users=6, seed=7))


async def test_who_comes_and_is_assigned_between_two_reads_of_a_cycle_is_known_when_the_assignment_is(
    world: World,
) -> None:
    """An order that reads users before what refers to them would have to ask for some of them by id."""
    for request in range(2, 5):
        comes: list[Mutation] = [("createUser", 0, 0, "User"), ("assignUser", 4, 0, "User")]
        run = await hold(world, a_plan(Cycle(middle=Meanwhile(request, comes)), Cycle()))
        assert len(run.tenant.directory.user_order) == 5
        asked = run.tenant.sim.journal.as_json()["requests"]
        assert "user" not in asked


async def test_an_assignment_that_ended_while_its_user_was_deleted_is_gone_after_the_restore(world: World) -> None:
    steps = [change((op, 3, 0)) for op in ("assignUser", "softDelete", "unassignDeleted", "restore")]
    plan = a_plan(*(each for step in steps for each in (step, Cycle())))
    run = await hold(world, replace(plan, knobs={"hideSoftDeletedAssignments": True}))
    assert len(run.said.latest) > len(run.tenant.effective(nested=False)), "somebody came and left"


async def test_a_held_removal_stays_held_whatever_else_changes_of_its_user(world: World) -> None:
    """User 3 is in no assigned group, and the second one with an assignment of its own."""
    come, leave = change(("assignUser", 3, 0)), change(("unassignUser", 1, 0))
    changed = [change(("city", 3, place)) for place in (0, 1)]
    plan = a_plan(come, Cycle(), leave, Cycle(), Cycle(), Cycle(), changed[0], Cycle(), changed[1], Cycle())
    run = await hold(world, replace(plan, policy={"guard_count": 0, "guard_percent": 0}))
    assert run.decisions, "it was held"


async def test_a_listing_of_members_from_an_old_replica_brings_nobody_back_for_long(world: World) -> None:
    leave = change(*[("removeMember", 0, 0)] * 4)
    stale = Fault(MEMBERS, "stale", {"transactions": 4, "times": 1})
    await hold(world, a_plan(Pass(90_000.0), leave, Cycle(), stale, Cycle()))


@pytest.mark.parametrize("nested", [False, True])
async def test_members_on_a_page_that_listings_of_their_group_lose_again_and_again_stay(
    world: World, nested: bool
) -> None:
    dropped = Fault(MEMBERS, "dropPage", {"times": 4})
    run = await hold(world, a_plan(Pass(90_000.0), Cycle(), dropped, *[Cycle()] * 4, users=6, seed=7, nested=nested))
    asked = run.tenant.sim.journal.as_json()["requests"]
    assert "$batch checkMemberGroups" in asked or "checkMemberGroups" in asked


async def test_what_a_user_lost_while_it_was_deleted_is_seen_after_its_restore(world: World) -> None:
    gone = change(("assignUser", 0, 0), ("hardDelete", 0, 0), ("softDelete", 0, 0))
    back = change(("assignUser", 0, 0), ("restore", 0, 0))
    await hold(world, a_plan(gone, Cycle(), back, Cycle(), users=7, groups=3, seed=1))


async def test_an_old_answer_about_a_user_after_a_round_that_told_the_newer_state_is_asked_for_again(
    world: World,
) -> None:
    old = Fault(match="/(users|groups)/[0-9a-f]{8}-", kind="stale", more={"nth": 2, "times": 1, "transactions": 1})
    assigned = change(("assignUser", 0, 0))
    moved = Cycle(middle=Meanwhile(request=1, mutations=[("city", 0, 0, "User")]))
    gone = change(("assignUser", 0, 0), ("softDelete", 0, 0))
    await hold(world, a_plan(gone, old, Cycle(), assigned, Pass(90_000.0), Cycle(), assigned, moved, seed=9))


async def test_an_old_listing_does_not_clear_a_member_that_a_full_read_lacks(world: World) -> None:
    left = change(("removeMember", 0, 0))
    old = Fault(MEMBERS, "stale", {"transactions": 1, "times": 1})
    await hold(world, a_plan(left, Expire("generation"), Cycle(), old, Cycle(), users=6, seed=7))


async def test_an_old_answer_about_a_user_that_a_full_read_lacks_is_asked_for_again(world: World) -> None:
    gone = change(("hardDelete", 1, 0))
    old = Fault("/users/[0-9a-f]{8}-[^/]*$", "stale", {"transactions": 2, "times": 1})
    run = await hold(world, a_plan(gone, Expire("generation"), Cycle(), old, *[Cycle()] * 4, users=6, seed=7))
    asked = run.tenant.sim.journal.as_json()["requests"]["user"]["status"]
    assert asked["200"] == 1
    assert asked["404"] >= PROOFS


@pytest.mark.parametrize("request_number", [4, 8, 12])
async def test_a_manager_that_came_during_the_full_read_and_went_before_the_first_round_is_nobodys(
    world: World, request_number: int
) -> None:
    coming = Cycle(
        middle=Meanwhile(request=request_number, mutations=[("manage", user, 1, "User") for user in (0, 2, 3)])
    )
    plan = a_plan(users=9, groups=3, seed=1)
    assigned = change(*(("assignUser", user, 0) for user in (0, 2, 3)))
    await hold(
        world, replace(plan, knobs={"pageSize": 1}, steps=[assigned, coming, change(("hardDelete", 1, 0)), Cycle()])
    )


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_statement_of_a_cycle_changes_nothing(world: World, after: bool) -> None:
    """Every boundary of one cycle with news of all kinds in a long run; in a short one a few, others each time."""
    news = change(
        ("assignUser", 3, 0), ("removeMember", 0, 0), ("city", 1, 1), ("softDelete", 2, 0), ("deleteGroup", 0, 1)
    )
    plan = a_plan(news, users=6, seed=7)
    whole = await hold(world, replace(plan, steps=[*plan.steps, Cycle()]))
    told, crashed, every = len(whole.said.story), 0, 1 if RUNS >= 1_000 else 25
    assert told
    for statement in range(1 + SEED % every, 200, every):
        run = await hold(world, replace(plan, steps=[*plan.steps, Cycle(middle=Crash(statement, after))]))
        assert len(run.said.story) == told
        if not any(process.dead for process in run.processes):
            break
        crashed = statement
    else:
        pytest.fail("the cycle has more statements than this tries")
    assert crashed > 40
