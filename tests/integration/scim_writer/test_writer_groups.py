"""Groups at the target: create, rename, members, delete; twice, swapped, and with a death between the steps (I1, I4, I5, I7)."""

from typing import Any

import pytest

from shared.contracts.changes import Command, Operation
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import ProvisioningOutcome, Result
from tests.integration.scim_writer.test_writer_crashes import die, let_leases_run_out, settled
from tests.support.builders_scim_writer import Bench, a_bench, a_command, executing
from tests.support.builders_scim_writer_groups import NAME, a_group_command, a_member_command, a_rename
from tests.support.eventually import eventually

ADD, REMOVE = Operation.ADD_MEMBERS, Operation.REMOVE_MEMBERS


def people(bench: Bench, number: int) -> list[str]:
    """Accounts that are at the target already; returns their ids."""
    create = bench.target.scim.accounts.create
    return [
        create({"schemas": [], "externalId": f"u{each}", "userName": f"u{each}@contoso.example", "active": True}).id
        for each in range(number)
    ]


def groups(bench: Bench) -> list[dict[str, Any]]:
    return [bench.target.scim.groups.as_json(group) for group in bench.target.scim.groups]


def group_writes(bench: Bench) -> list[tuple[str, int, int]]:
    """Method, status and number of members of each write to a group."""
    return [
        (each["method"], each["status"], each["members"]) for each in bench.writes() if each["resource"] == "Groups"
    ]


async def carried_out(bench: Bench, *commands: Command) -> list[ProvisioningOutcome]:
    """What became of these commands, given one after the other, as diff does."""
    for command in commands:
        before = len(await bench.outcomes())
        await bench.take(command)

        async def ended(before: int = before) -> bool:
            return len(await bench.outcomes()) > before

        await eventually(ended)
    return (await bench.outcomes())[-len(commands) :]


async def test_a_group_lives_from_its_creation_to_its_end(database_url: str) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        ids = people(bench, 3)
        job = {"job_id": bench.job_id}
        outcomes = await carried_out(
            bench,
            a_group_command(**job),
            a_member_command(ADD, ids, 2, **job),
            a_rename(NAME, "Sales", 3, **job),
            a_member_command(REMOVE, ids[:1], 4, name="Sales", **job),
        )
        (held,) = groups(bench)
        assert (held["displayName"], held["externalId"], held["members"]) == ("Sales", "emea", ids[1:])
        assert [item.result for item in outcomes] == [Result.DONE] * 4
        assert [item.target_id for item in outcomes] == [held["id"]] * 4
        (ended,) = await carried_out(bench, a_group_command(generation=5, operation=Operation.DELETE, **job))
        assert (ended.result, ended.target_id, groups(bench)) == (Result.DONE, None, [])
        assert group_writes(bench) == [
            ("POST", 201, 0),
            ("PATCH", 204, 3),
            ("PATCH", 204, 0),
            ("PATCH", 204, 1),
            ("DELETE", 204, 0),
        ]


async def test_a_command_that_comes_twice_is_written_once_and_a_repeat_changes_nothing(database_url: str) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        ids = people(bench, 2)
        job = {"job_id": bench.job_id}
        add = a_member_command(ADD, ids, 2, **job)
        await carried_out(bench, a_group_command(**job), add)
        await bench.take(add, add)
        assert len(await bench.outcomes()) == 2
        before = groups(bench)
        (again,) = await carried_out(bench, a_member_command(ADD, ids, 3, **job))
        (gone,) = await carried_out(bench, a_member_command(REMOVE, ["nobody"], 4, **job))
        assert (again.result, gone.result) == (Result.DONE, Result.DONE)
        assert groups(bench) == before


async def test_of_two_that_are_swapped_the_newer_one_is_written(database_url: str) -> None:
    """I4"""
    async with a_bench(database_url) as bench:
        ids = people(bench, 2)
        job = {"job_id": bench.job_id}
        async with executing(bench):
            await carried_out(bench, a_group_command(**job))
        await bench.take(a_member_command(REMOVE, ids, 3, **job), a_member_command(ADD, ids, 2, **job))
        async with executing(bench):
            await eventually(lambda: settled(bench))
        assert groups(bench)[0]["members"] == []
        ended = {item.generation: item.result for item in await bench.outcomes()}
        assert ended == {1: Result.DONE, 2: Result.SUPERSEDED, 3: Result.DONE}, "diff asks for the members again"


async def test_what_arrives_while_members_are_under_way_is_written_after_them(database_url: str) -> None:
    """I4"""
    async with a_bench(database_url) as bench, executing(bench):
        ids = people(bench, 2)
        job = {"job_id": bench.job_id}
        await carried_out(bench, a_group_command(**job))
        stall = bench.fault("stall", seconds=0.3, when="after", method="PATCH", resource="Groups")
        await bench.take(a_member_command(ADD, ids, 2, **job))
        await eventually(lambda: groups(bench)[0]["members"] == ids)
        await bench.take(a_member_command(REMOVE, ids, 3, **job))
        bench.target.scim.faults.remove(stall)
        await eventually(lambda: groups(bench)[0]["members"] == [])
        await eventually(lambda: settled(bench))
        ended = [(item.generation, item.result) for item in await bench.outcomes()]
        assert ended == [(1, Result.DONE), (2, Result.DONE), (3, Result.DONE)]


@pytest.mark.parametrize(
    "point", ["writer.after_claim:1", "writer.after_send:1", "writer.before_settle:1", "writer.after_settle:1"]
)
@pytest.mark.parametrize("step", ["create", "members"])
async def test_a_process_that_dies_leaves_one_group_with_its_members(database_url: str, step: str, point: str) -> None:
    """I1, I5, I7"""
    async with a_bench(database_url) as bench:
        ids = people(bench, 3)
        job = {"job_id": bench.job_id}
        if step == "members":
            async with executing(bench):
                await carried_out(bench, a_group_command(**job))
        command = a_group_command(**job) if step == "create" else a_member_command(ADD, ids, 2, **job)
        await let_leases_run_out(bench)
        await bench.take(command)
        await die(database_url, point)
        await let_leases_run_out(bench)
        async with executing(bench):
            await eventually(lambda: settled(bench))
            outcomes = await bench.outcomes()
            assert [item.result for item in outcomes] == [Result.DONE] * command.generation
            if step == "create":
                await carried_out(bench, a_member_command(ADD, ids, 2, **job))
        (held,) = groups(bench)
        assert held["members"] == ids
        assert [item.target_id for item in await bench.outcomes()] == [held["id"]] * 2
        assert [each[0] for each in group_writes(bench)].count("POST") == 1


async def test_an_answer_that_is_lost_is_repeated_without_harm(database_url: str) -> None:
    """I7"""
    async with a_bench(database_url) as bench, executing(bench):
        ids = people(bench, 3)
        job = {"job_id": bench.job_id}
        bench.fault("commitThenDrop", times=1, method="POST", resource="Groups")
        bench.fault("commitThenDrop", times=2, method="PATCH", resource="Groups")
        outcomes = await carried_out(bench, a_group_command(**job), a_member_command(ADD, ids, 2, **job))
        assert [item.result for item in outcomes] == [Result.DONE, Result.DONE], (
            "a group that we had created is no adoption"
        )
        assert [each["members"] for each in groups(bench)] == [ids]


@pytest.mark.parametrize("unknown", ["reject", "notFound"])
async def test_a_member_the_target_does_not_know_is_named_and_the_others_are_written(
    database_url: str, unknown: str
) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        bench.target.scim.settings.change({"unknownMember": unknown})
        ids = people(bench, 199)
        job = {"job_id": bench.job_id}
        members = [*ids[:100], "gone", *ids[100:]]
        _, outcome = await carried_out(bench, a_group_command(**job), a_member_command(ADD, members, 2, **job))
        assert (outcome.result, outcome.refused_members) == (Result.DONE, ("gone",))
        assert sorted(groups(bench)[0]["members"]) == sorted(ids)
        (alone,) = await carried_out(bench, a_member_command(ADD, ["gone"], 3, **job))
        assert (alone.result, alone.refused_members) == (Result.FAILED, ("gone",))


async def test_a_group_that_vanished_is_reported_and_created_anew_by_the_next_create(database_url: str) -> None:
    async with a_bench(database_url) as bench, executing(bench):
        ids = people(bench, 1)
        job = {"job_id": bench.job_id}
        (created,) = await carried_out(bench, a_group_command(**job))
        bench.target.scim.groups.clear()
        lost, anew, added = await carried_out(
            bench,
            a_member_command(ADD, ids, 2, target_id=created.target_id, **job),
            a_group_command(generation=3, **job),
            a_member_command(ADD, ids, 4, **job),
        )
        assert lost.failure is not None
        assert (lost.result, lost.failure.code, lost.target_id) == (Result.FAILED, Code.INVALID_ANCHOR, None)
        assert (anew.result, added.result) == (Result.DONE, Result.DONE)
        (held,) = groups(bench)
        assert (held["members"], anew.target_id) == (ids, held["id"])


async def test_a_target_without_groups_stops_no_user(database_url: str) -> None:
    async with a_bench(database_url, scim_writer_stop_after_failures=2) as bench, executing(bench):
        for status in (404, 403):
            fault = bench.fault("status", status=status, resource="Groups")
            for number in range(3):
                command = a_group_command(f"group-{status}-{number}", job_id=bench.job_id)
                (outcome,) = await carried_out(bench, command)
                assert outcome.result is Result.FAILED
            (outcome,) = await carried_out(bench, a_command(bench.job_id, f"user-{status}"))
            assert outcome.result is Result.DONE
            bench.target.scim.faults.remove(fault)
        assert await bench.conditions() == []
