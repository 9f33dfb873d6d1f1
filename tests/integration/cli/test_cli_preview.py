"""Previews by the command line, against a console that hears what diff says: waited for, shown, saved by, refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.failures import CommandFailedError
from cli.filter_clauses import clause, with_filter
from shared.contracts.changes import ModifiedAttribute
from shared.contracts.control import OperatorRequest
from shared.contracts.message import ObjectType
from shared.contracts.preview import PlannedAction, PlanRow, PlanTotals, PreviewFact, PreviewRows, PreviewState
from shared.schema.filter_operators import OPERATORS
from tests.support.builders_console import Console, deliver, received, running_console
from tests.support.builders_schema import USER_ROWS, document, row
from tests.support.commands import Ran, seatkeeper
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(180)
TITLES = document(
    row("title", "[jobTitle]"),
    base=(row("externalId", "[objectId]", matchingPriority=1), row("userName", "[mail]"), USER_ROWS[1]),
)
PLAN = PlanTotals(
    users={PlannedAction.UPDATE: 1200, PlannedAction.DISABLE: 60},
    groups={PlannedAction.UNCHANGED: 3},
    attributes={"title": 1200, "active": 60},
    removals=60,
    managed=300,
    held=60,
    held_because="60 of 300 managed objects would be disabled or deleted by one cycle",
    errors=2,
    unread={ObjectType.USER: ("employeeId",)},
)


@pytest.fixture
async def console(database_url: str) -> AsyncIterator[Console]:
    """A console without the rest of the system: its messages are given to it."""
    async with running_console(database_url) as running:
        yield running


async def run(console: Console, *arguments: str, role: str = "admin", stdin: bytes = b"") -> Ran:
    signed_in = {"SEATKEEPER_URL": console.url, "SEATKEEPER_TOKEN": console.tokens[role]}
    return await seatkeeper(*arguments, env=signed_in, stdin=stdin)


async def answered(console: Console, running: "asyncio.Task[Ran]", **values: Any) -> Ran:
    """Wait for the request of a running command, say what diff would, and return what the command printed."""

    async def asked() -> OperatorRequest | None:
        rows = await console.rows("SELECT payload FROM outbox WHERE topic = $1 ORDER BY id", OperatorRequest.topic)
        found = [OperatorRequest.model_validate_json(item["payload"]) for item in rows]
        told = {item["preview_id"] for item in await console.rows("SELECT preview_id FROM preview WHERE sequence > 0")}
        return next((request for request in found if request.object_id not in told), None)

    request = await eventually(asked, within=60)
    assert request is not None
    about: dict[str, Any] = {
        "job_id": request.job_id,
        "object_type": ObjectType.PREVIEW,
        "object_id": request.object_id,
        "at": datetime.now(UTC),
    }
    planned = PlanRow(
        object_type=ObjectType.USER,
        object_id="object-1",
        name="ada@example.org \x1b[31m",
        action=PlannedAction.UPDATE,
        reason="Attributes differ: title",
        attributes=(ModifiedAttribute(path="title", old=None, new="[red]Seller[/red]"),),
    )
    out = planned.model_copy(update={"object_id": "object-2", "action": PlannedAction.DISABLE, "counted": True})
    told = [
        PreviewRows(sequence=2, first=0, rows=(planned, out), **about),
        PreviewFact(
            **about
            | {
                "sequence": 3,
                "state": PreviewState.DONE,
                "job_version": 1,
                "totals": PLAN,
                "rows": 2,
                "as_of": datetime.now(UTC),
            }
            | values
        ),
    ]
    await deliver(console.frame, [received(message) for message in told])
    return await running


def started(console: Console, *arguments: str, **more: Any) -> "asyncio.Task[Ran]":
    return asyncio.create_task(run(console, "preview", *arguments, **more))


async def test_a_schema_is_previewed_shown_and_saved_by_its_preview(console: Console, tmp_path: Path) -> None:
    await console.new_job()
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(TITLES), "utf-8")
    ran = await answered(console, started(console, "--schema", str(file), "--reason", "titles", "--top", "1"))
    assert (ran.code, ran.err) == (0, "")
    for words in (
        "would be updated",
        "1,200",
        "60 removals would be held until they are approved",
        "title (1,200), active (60)",
        "Not read yet of users, and taken for empty: employeeId",
        "2 have an attribute that cannot be made",
        "title: nothing to [red]Seller[/red]",
        "1 more rows",
    ):
        assert words in ran.out, words
    assert "\x1b[31m" not in ran.out, "names are text"
    (preview,) = [item["preview_id"] for item in await console.rows("SELECT preview_id FROM preview")]
    assert preview in ran.out
    other = tmp_path / "other.json"
    other.write_text(json.dumps(document(base=TITLES_BASE)), "utf-8")
    refused = await run(console, "schema", "import", "--file", str(other), "--preview", preview)
    assert (refused.code, "not what the preview showed" in refused.sentence) == (1, True)
    saved = await run(console, "schema", "import", "--file", str(file), "--preview", preview)
    assert (saved.code, "Version 1 is in force" in saved.out) == (0, True), saved.err


TITLES_BASE = (row("externalId", "[objectId]", matchingPriority=1), row("userName", "[mail]"), USER_ROWS[1])


async def test_a_filter_is_previewed_and_written_to_a_file_for_the_import(console: Console, tmp_path: Path) -> None:
    await console.new_job()
    file = tmp_path / "filtered.json"
    clauses = ("--filter", "department EQUALS Field Sales", "--filter", "city IS NOT NULL")
    ran = await answered(console, started(console, *clauses, "--save-as", str(file), "--json"))
    assert ran.code == 0, ran.err
    assert ran.json["plan"]["users"]["disable"] == 60
    assert [item["held"] for item in ran.json["value"]] == [False, True]
    written = json.loads(file.read_text("utf-8"))
    users = next(
        mapping
        for mapping in written["synchronizationRules"][0]["objectMappings"]
        if mapping["sourceObjectName"] == "User"
    )
    assert [item["operatorName"] for item in users["scope"]["groups"][0]["clauses"]] == ["EQUALS", "IS NOT NULL"]
    saved = await run(console, "schema", "import", "--file", str(file), "--preview", ran.json["id"])
    assert saved.code == 0, saved.err


async def test_an_empty_plan_says_so(console: Console) -> None:
    await console.new_job()
    empty = PlanTotals(users={PlannedAction.UNCHANGED: 5, PlannedAction.OUT_OF_SCOPE: 1})
    ran = await answered(console, started(console, "--template-default"), totals=empty, rows=0)
    assert (ran.code, "Nothing would change." in ran.out, "stay as they are" in ran.out) == (0, True, True)


async def test_a_plan_that_could_not_be_made_or_takes_too_long_ends_with_status_1(console: Console) -> None:
    await console.new_job()
    failed = {"state": PreviewState.FAILED, "totals": None, "as_of": None, "detail": "The job was changed since"}
    ran = await answered(console, started(console), **failed)
    assert (ran.code, "The job was changed since" in ran.sentence) == (1, True)
    late = await run(console, "preview", "--timeout", "1", role="operator")
    assert (late.code, "not made within 1 seconds" in late.sentence) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--filter", "department LIKE Sales"), "Operators: "),
        (("--set", "{"), "--set is not JSON"),
        (("--set", "[1]"), "not a JSON object"),
        (("--schema", "-", "--template-default"), "not both"),
        (("--save-as", "x.json"), "no schema to write"),
        (("--set", '{"settings": {"requiredRoles": 1}}'), "settings.requiredRoles"),
    ],
    ids=["no-operator", "no-json", "no-object", "both", "nothing-to-write", "refused"],
)
async def test_what_cannot_be_previewed_is_told_in_one_sentence(
    console: Console, arguments: tuple[str, ...], words: str
) -> None:
    await console.new_job()
    ran = await run(console, "preview", *arguments)
    assert (ran.code, words in ran.sentence) == (1, True), ran.err
    assert not await console.rows("SELECT FROM preview")


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_operator_is_read_from_a_clause(operator: str) -> None:
    found = clause(f"department {operator.lower()}  two words ", list(OPERATORS))
    assert (found["sourceOperandName"], found["operatorName"]) == ("department", operator)
    assert found["targetOperand"]["values"] == ["two words"]


@pytest.mark.parametrize("text", ["", "department", "department EQUALSales"])
def test_what_is_no_clause_is_refused(text: str) -> None:
    with pytest.raises(CommandFailedError, match="such as"):
        clause(text, list(OPERATORS))


def test_a_filter_takes_the_place_of_the_one_there_is_and_leaves_the_rest() -> None:
    known = document(scope={"groups": [{"name": "old", "clauses": []}], "inputFilterGroups": [{"name": "read"}]})
    changed = with_filter(known, ["city IS NULL"], list(OPERATORS))
    (mapping,) = changed["synchronizationRules"][0]["objectMappings"]
    assert [group["name"] for group in mapping["scope"]["groups"]] == ["Filter"]
    assert mapping["scope"]["inputFilterGroups"] == [{"name": "read"}]
    assert known["synchronizationRules"][0]["objectMappings"][0]["scope"]["groups"][0]["name"] == "old"
    with pytest.raises(CommandFailedError, match="no mapping of users"):
        with_filter({"synchronizationRules": []}, ["city IS NULL"], list(OPERATORS))
