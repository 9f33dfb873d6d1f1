"""The schema of a job by the command line: exported, looked through, imported, listed and restored."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.builders_console import Console, running_console
from tests.support.builders_schema import USER_ROWS, clause, document, row
from tests.support.commands import Ran, seatkeeper

pytestmark = pytest.mark.timeout(120)
BASE = (row("externalId", "[objectId]", matchingPriority=1), row("userName", "[mail]"), USER_ROWS[1])


@pytest.fixture
async def console(database_url: str) -> AsyncIterator[Console]:
    """A console without the rest of the system."""
    async with running_console(database_url) as running:
        yield running


async def run(console: Console, *arguments: str, stdin: bytes = b"", role: str = "admin") -> Ran:
    signed_in = {"SEATKEEPER_URL": console.url, "SEATKEEPER_TOKEN": console.tokens[role]}
    return await seatkeeper("schema", *arguments, env=signed_in, stdin=stdin)


async def test_a_schema_goes_out_to_a_file_and_comes_back(console: Console, tmp_path: Path) -> None:
    await console.new_job()
    file = tmp_path / "schema.json"
    exported = await run(console, "export", "--file", str(file))
    assert (exported.code, str(file) in exported.out) == (0, True)
    shown = await run(console, "show")
    assert shown.code == 0
    for words in ("User to User", "Group to Group", "externalId", "[objectId]", "Switch([IsSoftDeleted]"):
        assert words in shown.out, words
    written = json.loads(file.read_text("utf-8"))
    written["synchronizationRules"][0]["objectMappings"][1]["scope"] = {
        "groups": [{"name": "sales", "clauses": [clause("department", "REGEX MATCH", "Sales")]}]
    }
    file.write_text(json.dumps(written), "utf-8")
    checked = await run(console, "import", "--file", str(file), "--check")
    assert (checked.code, "Nothing was saved" in checked.out, "no anchors" in checked.err) == (0, True, True)
    saved = await run(console, "import", "--file", str(file), "--reason", "only sales,\nlø✓", "--json")
    assert saved.json["schemaVersion"] == 1
    assert "In scope sales: department REGEX MATCH Sales" in (await run(console, "show")).out
    assert (await run(console, "export", "--json")).json == (await run(console, "export", "--version", "1")).json
    listed = await run(console, "versions")
    assert "only sales, lø✓" in listed.out
    restored = await run(console, "restore", "--reason", "as it was")
    assert (restored.code, "Version 2 is in force" in restored.out) == (0, True)
    versions = (await run(console, "versions", "--json", role="viewer")).json
    assert [item["schemaVersion"] for item in versions] == [2, 1, 0]


async def test_an_import_that_was_made_from_another_version_is_not_saved(console: Console) -> None:
    await console.new_job()
    mine, theirs = (
        json.dumps(document(row("title", source), base=BASE)).encode() for source in ("[jobTitle]", "[department]")
    )
    assert (await run(console, "import", "--file", "-", "--if-version", "0", stdin=theirs)).code == 0
    refused = await run(console, "import", "--file", "-", "--if-version", "0", stdin=mine)
    assert (refused.code, "1" in refused.sentence) == (1, True)
    listed = (await run(console, "versions", "--json")).json
    assert [item["schemaVersion"] for item in listed] == [1, 0]
    assert (await run(console, "import", "--file", "-", "--if-version", "1", stdin=mine)).code == 0


async def test_what_cannot_be_done_is_one_sentence_with_the_place_and_exit_status_1(console: Console) -> None:
    await console.new_job()
    wrong = json.dumps(document(row("shoeSize", "[jobTitle]"), base=BASE)).encode()
    refused = await run(console, "import", "--file", "-", stdin=wrong)
    assert refused.code == 1
    assert "attributeMappings.3.targetAttributeName" in refused.sentence
    assert "shoeSize" in refused.sentence
    assert "is not JSON" in (await run(console, "import", "--file", "-", stdin=b"{")).sentence
    assert "No such version" in (await run(console, "restore", "--version", "7")).sentence
