"""The manager of a user on a real PostgreSQL: written once both are there, healed, changed and cleared."""

from typing import Any

import pytest

from services.diff.references.values import UNRESOLVED
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Operation
from shared.contracts.templates.linkedin_sales_navigator import ENTERPRISE_USER
from shared.runtime.frame import Frame
from tests.support.builders_diff import assignment
from tests.support.diff_target import FakeTarget

MANAGER = f"{ENTERPRISE_USER}:manager"


@pytest.fixture
def target(frame: Frame) -> FakeTarget:
    return FakeTarget(frame)


def user(sequence: int, name: str, manager: str | None = None, **attributes: Any) -> DirectoryAssignment:
    return assignment(sequence, object_id=name, manager=manager, **attributes)


def manager_of(target: FakeTarget, name: str) -> Any:
    return target.users[f"account of {name}"].get(MANAGER)


async def row(frame: Frame, name: str) -> Any:
    async with frame.connection() as connection:
        return await connection.fetchrow("SELECT * FROM person WHERE object_id = $1", name)


@pytest.mark.parametrize("order", [("boss", "ada"), ("ada", "boss")], ids=["manager first", "manager last"])
async def test_the_manager_is_written_in_a_later_pass_whoever_comes_first(
    target: FakeTarget, order: tuple[str, str]
) -> None:
    managers = {"ada": "boss", "boss": None}
    for name in order:
        await target.give(user(1, name, managers[name]))
        await target.settle()
    assert manager_of(target, "ada") == "account of boss"
    written = [(change.object_id, change.operation) for change in target.writes if MANAGER in change.resource]
    assert written == [("ada", Operation.UPDATE)]
    assert [item.path for item in target.writes[-1].modified] == [MANAGER]


async def test_two_who_manage_each_other_are_both_created_and_then_linked(target: FakeTarget) -> None:
    await target.give(user(1, "ada", "ben"), user(1, "ben", "ada"))
    await target.settle()
    assert (manager_of(target, "ada"), manager_of(target, "ben")) == ("account of ben", "account of ada")


async def test_a_manager_without_an_account_fails_nobody_and_is_healed_when_there_is_one(
    target: FakeTarget, frame: Frame
) -> None:
    await target.give(user(1, "ada", "boss"))
    await target.settle()
    ada = await row(frame, "ada")
    assert ada["status"] == "provisioned"
    assert UNRESOLVED in ada["reasons"]
    await target.give(user(1, "boss"))
    await target.settle()
    assert manager_of(target, "ada") == "account of boss"
    assert UNRESOLVED not in (await row(frame, "ada"))["reasons"]


async def test_i7_a_second_pass_writes_nothing(target: FakeTarget) -> None:
    await target.give(user(1, "ada", "boss"), user(1, "boss"))
    await target.settle()
    writes = len(target.writes)
    await target.give(user(2, "ada", "boss"), user(2, "boss"))
    await target.settle()
    assert len(target.writes) == writes


async def test_another_manager_and_none_at_all_are_written_too(target: FakeTarget) -> None:
    await target.give(user(1, "ada", "boss"), user(1, "boss"), user(1, "chief"))
    await target.settle()
    await target.give(user(2, "ada", "chief"))
    await target.settle()
    assert manager_of(target, "ada") == "account of chief"
    await target.give(user(3, "ada", None))
    await target.settle()
    assert manager_of(target, "ada") is None
    writes = len(target.writes)
    await target.give(user(4, "ada", None))
    await target.settle()
    assert len(target.writes) == writes


async def test_a_manager_who_is_disabled_stays_the_manager(target: FakeTarget) -> None:
    await target.give(user(1, "ada", "boss"), user(1, "boss"))
    await target.settle()
    await target.give(user(2, "boss", accountEnabled=False))
    await target.settle()
    assert manager_of(target, "ada") == "account of boss"


async def test_when_the_managers_account_is_another_one_the_reference_follows(target: FakeTarget, frame: Frame) -> None:
    await target.give(user(1, "ada", "boss"), user(1, "boss"))
    await target.settle()
    async with frame.connection() as connection:
        await connection.execute("UPDATE person SET target_id = 'another' WHERE object_id = 'boss'")
        await connection.execute("INSERT INTO reference_changed (job_id, object_id) VALUES ('job-1', 'boss')")
    await target.settle()
    assert manager_of(target, "ada") == "another"


async def test_many_who_refer_to_one_are_linked_piece_by_piece(target: FakeTarget, frame: Frame) -> None:
    names = [f"user-{number:03}" for number in range(520)]
    await target.give(*(user(1, name, "boss") for name in names))
    await target.settle()
    await target.give(user(1, "boss"))
    await target.settle()
    assert {manager_of(target, name) for name in names} == {"account of boss"}
    async with frame.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM reference_changed") == 0


async def test_an_update_of_the_user_and_the_manager_in_one_moment_go_one_after_the_other(target: FakeTarget) -> None:
    await target.give(user(1, "ada", "boss"))
    [creation] = await target.new_changes()
    await target.give(user(1, "boss"), target.carry_out(creation))
    await target.give(user(2, "ada", "boss", surname="Sample"))
    await target.settle()
    assert manager_of(target, "ada") == "account of boss"
    assert target.users["account of ada"]["name.familyName"] == "Sample"
    generations = [change.generation for change in target.writes if change.object_id == "ada"]
    assert generations == sorted(set(generations))
