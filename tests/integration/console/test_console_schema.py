"""The schema of a job over the REST API: read, saved in versions, refused with every place named, restored, tried out."""

import asyncio
import json
import threading
from typing import Any
from uuid import uuid4

import pytest

from services.console import audit, job_schemas
from services.console.tokens import Operator, Role
from shared.contracts.control import JobRecord, ResetScope
from shared.contracts.ids import derived_id
from shared.schema.filter_operators import OPERATORS
from tests.support.builders_console import Console
from tests.support.builders_schema import USER_ROWS, clause, document, entra_export, row
from tests.support.eventually import eventually

SECRETS = {"secretToken": "not-a-real-token", "clientSecret": "not-a-real-secret"}


def linkedin(*rows: dict[str, Any], **mapping: Any) -> dict[str, Any]:
    """A schema that fits LinkedIn."""
    base = (row("externalId", "[objectId]", matchingPriority=1), row("userName", "[mail]"), USER_ROWS[1])
    return document(*rows, base=base, **mapping)


async def records(console: Console) -> list[JobRecord]:
    rows = await console.rows("SELECT payload FROM outbox WHERE topic = $1 ORDER BY id", JobRecord.topic)
    return [JobRecord.model_validate_json(item["payload"]) for item in rows]


def path(job: str, more: str = "") -> str:
    return f"/api/v1/jobs/{job}/schema{more}"


async def test_a_new_job_has_the_default_of_its_template_taken_apart_as_entra_does(console: Console) -> None:
    job = await console.new_job()
    reply = await console.call("GET", path(job), role="viewer")
    assert (reply.status, reply.headers["ETag"]) == (200, '"0"')
    groups, users = reply.json["synchronizationRules"][0]["objectMappings"]
    assert (groups["sourceObjectName"], users["sourceObjectName"], users["flowTypes"]) == (
        "Group",
        "User",
        "Add, Update, Delete",
    )
    (active,) = [item for item in users["attributeMappings"] if item["targetAttributeName"] == "active"]
    assert active["source"]["name"] == "Switch"
    assert active["source"]["parameters"][0]["value"]["name"] == "IsSoftDeleted"
    saved = await console.call("PUT", path(job), reply.json)
    assert saved.status == 200, saved.raw
    assert saved.json == {"schemaVersion": 1, "warnings": []}
    again = (await console.call("GET", path(job))).json
    assert again == reply.json, "an export that is imported again is what it was"


async def test_saving_a_schema_is_a_version_an_audit_row_and_a_new_initial_cycle(console: Console) -> None:
    job = await console.new_job()
    headers = {"X-Seatkeeper-Reason": "titles"}
    saved = await console.call("PUT", path(job), linkedin(row("title", "[jobTitle]")), headers=headers)
    assert (saved.status, saved.json["schemaVersion"], saved.headers["ETag"]) == (200, 1, '"1"')
    again = await console.call("PUT", path(job), linkedin(row("title", "[jobTitle]")))
    assert (again.status, again.json["schemaVersion"]) == (200, 1), "what changes nothing makes no version"
    first, second = await records(console)
    assert (first.schema_version, first.synchronization_schema, first.restarts) == (0, None, 0)
    assert (second.schema_version, second.restarts, second.sequence) == (1, 1, 2)
    assert second.resets == {ResetScope.ESCROWS: 1}, "who failed by the old schema is not tried by its schedule"
    assert second.synchronization_schema is not None
    events = await console.rows("SELECT headers FROM outbox WHERE topic = $1 ORDER BY id", JobRecord.topic)
    assert json.loads(events[1]["headers"])["ce_id"] == str(derived_id("job", job, 2))
    audit = (await console.call("GET", "/api/v1/auditLogs/operators")).json["value"]
    (entry,) = [item for item in audit if item["action"] == "schema.save"]
    assert (entry["reason"], entry["operator"]) == ("titles", "a admin")
    assert entry["details"] == {"version": 2, "schemaVersion": 1}


async def test_every_later_version_of_the_job_carries_the_schema(console: Console) -> None:
    job = await console.new_job()
    await console.call("PUT", path(job), linkedin())
    await console.call("PATCH", f"/api/v1/jobs/{job}", {"displayName": "Another"})
    last = (await records(console))[-1]
    assert (last.definition.display_name, last.schema_version) == ("Another", 1)
    assert last.synchronization_schema is not None


async def test_what_cannot_be_done_is_a_problem_with_every_place(console: Console) -> None:
    job = await console.new_job()
    wrong = linkedin(
        row("shoeSize", "[jobTitle]"),
        row("title", "Left([jobTitle], "),
        scope={"groups": [{"clauses": [clause("city", "LIKE", "canary")]}]},
    )
    reply = await console.call("PUT", path(job), wrong)
    assert (reply.status, reply.headers["Content-Type"]) == (422, "application/problem+json")
    users = "synchronizationRules.0.objectMappings.0"
    assert [(item["field"], item["code"]) for item in reply.json["errors"]] == [
        (f"{users}.attributeMappings.3.targetAttributeName", "UnknownTargetAttribute"),
        (f"{users}.attributeMappings.4.source.expression", "InvalidExpression"),
        (f"{users}.scope.groups.0.clauses.0.operatorName", "UnsupportedOperator"),
    ]
    assert reply.json["errors"][1]["position"] == 18
    assert all(item["remedy"] in item["message"] for item in reply.json["errors"])
    assert "canary" not in reply.text
    assert (await console.call("GET", path(job))).headers["ETag"] == '"0"'
    assert len(await records(console)) == 1


DEEP = (
    b'{"type":"Function","name":"Not","parameters":[{"key":"source","value":' * 1000
    + b'{"name":"jobTitle"}'
    + b"}]}" * 1000
)
BAD: dict[str, bytes] = {
    "not JSON": b"{",
    "a list": b"[]",
    "nothing": b"{}",
    "a lone surrogate": b'{"synchronizationRules": [{"name": "\\ud800"}]}',
    "a lone surrogate in an annotation": b'{"@odata.context": "\\ud800"}',
    "a source a thousand deep": json.dumps(linkedin(row("title"))).encode().replace(b'"source": null', b'"source": ' + DEEP),
    "JSON a hundred thousand deep": b'{"synchronizationRules":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}  # fmt: skip


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
async def test_a_document_that_is_none_is_refused(console: Console, body: bytes) -> None:
    job = await console.new_job()
    reply = await console.call("PUT", path(job), body)
    assert reply.status in {400, 422}, reply.raw
    assert reply.json["detail"]


async def test_a_large_export_is_taken_and_one_that_fits_no_message_is_not(console: Console) -> None:
    job = await console.new_job(template="scim")
    export = entra_export()
    attributes = export["directories"][0]["objects"][0]["attributes"]
    attributes.extend([attributes[-1] | {"name": f"extension_{number:032x}_x"} for number in range(1500)])
    assert len(json.dumps(export)) > 300_000
    assert (await console.call("PUT", path(job), export)).status == 200
    attributes.extend([attributes[-1] | {"metadata": [{"key": "k", "value": "x" * 9000}]}] * 60)
    reply = await console.call("PUT", path(job), export)
    assert (reply.status, reply.json["errors"][0]["code"]) == (422, "TooLarge")


async def test_an_export_of_entra_is_taken_where_it_fits(console: Console) -> None:
    job = await console.new_job(template="scim")
    reply = await console.call("PUT", path(job), entra_export())
    assert (reply.status, reply.json) == (200, {"schemaVersion": 1, "warnings": []})
    unfit = await console.call("PATCH", f"/api/v1/jobs/{job}", {"template": "linkedin-sales-navigator"})
    assert unfit.status == 422, "a job does not change to a target that its schema does not fit"
    assert "UnknownTargetAttribute" in {item["code"] for item in unfit.json["errors"]}


async def test_warnings_are_said_and_a_document_can_be_looked_through_without_saving_it(console: Console) -> None:
    job = await console.new_job()
    body = linkedin(scope={"groups": [{"clauses": [clause("city", "REGEX MATCH", "Oslo")]}]})
    checked = await console.call("PUT", path(job, "?validateOnly=true"), body)
    assert (checked.status, checked.json["schemaVersion"]) == (200, 0)
    assert [item["code"] for item in checked.json["warnings"]] == ["UnanchoredPattern"]
    assert len(await records(console)) == 1


async def test_versions_are_listed_and_restored_and_the_default_is_one_of_them(console: Console) -> None:
    job = await console.new_job()
    await console.call("PUT", path(job), linkedin(row("title", "[jobTitle]")))
    first = (await console.call("GET", path(job))).json
    await console.call("PUT", path(job), linkedin())
    deleted = await console.call("DELETE", path(job), headers={"X-Seatkeeper-Reason": "start anew"})
    assert (deleted.status, deleted.json["schemaVersion"]) == (200, 3)
    assert (await console.call("DELETE", path(job))).json["schemaVersion"] == 3
    restored = await console.call("POST", path(job, "/versions/1/restore"))
    assert restored.json["schemaVersion"] == 4
    assert (await console.call("GET", path(job))).json == first
    assert (await console.call("GET", path(job, "/versions/1"))).json == first
    listed = (await console.call("GET", path(job, "/versions"), role="viewer")).json["value"]
    assert [(item["schemaVersion"], item["templateDefault"], item["restoredFrom"], item["inForce"]) for item in listed] == [
        (4, False, 1, True), (3, True, 0, False), (2, False, None, False), (1, False, None, False), (0, True, None, False),
    ]  # fmt: skip
    assert listed[1]["reason"] == "start anew"
    assert [record.restarts for record in await records(console)] == [0, 1, 2, 3, 4]
    assert [record.synchronization_schema is None for record in await records(console)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert (await console.call("GET", path(job, "/versions/9"))).status == 404
    assert (await console.call("POST", path(job, "/versions/9/restore"))).status == 404


async def test_a_save_that_was_made_for_another_version_is_refused(console: Console) -> None:
    job = await console.new_job()
    saved = await console.call("PUT", path(job), linkedin(), headers={"If-Match": '"0"'})
    assert saved.status == 200
    late = await console.call("PUT", path(job), linkedin(row("title", "[jobTitle]")), headers={"If-Match": '"0"'})
    assert late.status == 412
    assert "Version 1" in late.json["detail"]
    assert (await console.call("DELETE", path(job), headers={"If-Match": '"0"'})).status == 412
    assert (await console.call("DELETE", path(job), headers={"If-Match": "canary"})).status == 422
    assert len(await records(console)) == 2


async def test_two_saves_at_once_are_two_versions(console: Console) -> None:
    job = await console.new_job()
    bodies = [linkedin(row("title", f'Append([jobTitle], "{number}")')) for number in range(4)]
    replies = await asyncio.gather(*[console.call("PUT", path(job), body) for body in bodies])
    assert sorted(reply.json["schemaVersion"] for reply in replies) == [1, 2, 3, 4]
    assert [record.schema_version for record in await records(console)] == [0, 1, 2, 3, 4]


async def test_a_template_is_checked_against_the_schema_that_is_being_saved(console: Console) -> None:
    job = await console.new_job(template="scim")
    admin = audit.Request(operator=Operator(token_id=uuid4(), name="an operator", role=Role.ADMIN), reason="")
    async with console.frame.transaction() as tx:
        await job_schemas.save(tx, admin, job, document())
        changing = asyncio.create_task(
            console.call("PATCH", f"/api/v1/jobs/{job}", {"template": "linkedin-sales-navigator"})
        )
        await eventually(lambda: waits_for_a_lock(console))
    assert (await changing).status == 422
    assert (await console.call("GET", f"/api/v1/jobs/{job}")).json["template"] == "scim"


async def waits_for_a_lock(console: Console) -> bool:
    return bool(await console.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))


async def test_a_schema_is_compiled_beside_the_event_loop(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    accept = job_schemas.accept

    def noting(*arguments: Any) -> job_schemas.Accepted:
        threads.append(threading.current_thread())
        return accept(*arguments)

    job = await console.new_job(template="scim")
    assert (await console.call("PUT", path(job), linkedin(row("title", "[jobTitle]")))).status == 200
    monkeypatch.setattr(job_schemas, "accept", noting)
    assert (await console.call("POST", path(job, "/versions/1/restore"))).status == 200
    assert (await console.call("PATCH", f"/api/v1/jobs/{job}", {"template": "linkedin-sales-navigator"})).status == 200
    assert len(threads) == 2
    assert threading.main_thread() not in threads


async def test_functions_and_operators_are_listed_as_graph_lists_them(console: Console) -> None:
    job = await console.new_job()
    functions = (await console.call("GET", path(job, "/functions"), role="viewer")).json["value"]
    assert len(functions) == 47
    (switch,) = [item for item in functions if item["name"] == "Switch"]
    assert {"name", "type", "required", "allowMultipleOccurrences"} == set(switch["parameters"][0])
    operators = (await console.call("GET", path(job, "/filterOperators"), role="viewer")).json["value"]
    assert {item["name"] for item in operators} == set(OPERATORS)


TRIED = {
    "evaluated": ('Append([givenName], "!")', {"givenName": "Ada"}, True, True, ["Ada!"]),
    "several values": ('Split([city], ",")', {"city": "a,b"}, True, True, ["a", "b"]),
    "null": ("Left([city], 2)", {}, True, True, [""]),
    "not parsed": ("Left([city], ", {}, False, False, []),
    "not evaluated": ("Item([city], [givenName])", {"city": "x", "givenName": "canary"}, True, False, []),
    "without an object": ("ToUpper([city])", None, True, False, []),
}


@pytest.mark.parametrize(("expression", "attributes", "parsed", "evaluated", "result"), TRIED.values(), ids=TRIED)
async def test_an_expression_is_tried_out(
    console: Console,
    expression: str,
    attributes: dict[str, str] | None,
    parsed: bool,
    evaluated: bool,
    result: list[str],
) -> None:
    job = await console.new_job()
    body: dict[str, Any] = {"expression": expression, "targetAttributeDefinition": None}
    if attributes is not None:
        body["testInputObject"] = {"properties": [{"key": key, "value": value} for key, value in attributes.items()]}
    reply = await console.call("POST", path(job, "/parseExpression"), body, role="viewer")
    assert reply.status == 200, reply.raw
    answer = reply.json
    assert (answer["parsingSucceeded"], answer["evaluationSucceeded"], answer["evaluationResult"]) == (
        parsed,
        evaluated,
        result,
    )
    assert (answer["parsedExpression"] is not None) is parsed
    assert (answer["error"] is not None) is (attributes is not None and not evaluated)
    assert "canary" not in json.dumps(answer["error"])


async def test_who_may_not_change_a_schema_does_not(console: Console) -> None:
    job = await console.new_job()
    for role in ("viewer", "operator"):
        assert (await console.call("PUT", path(job), linkedin(), role=role)).status == 403
        assert (await console.call("DELETE", path(job), role=role)).status == 403
    assert (await console.call("GET", path("unknown"))).status == 404
    assert (await console.call("PUT", path("unknown"), linkedin())).status == 404
    assert (await console.call("GET", path("unknown", "/functions"))).status == 404
