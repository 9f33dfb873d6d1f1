"""Previews over the REST API: asked for, told by diff, shown in pages, and a change saved by one only if it is what was shown."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.console.api import shapes
from services.console.prune import prune
from shared.contracts.changes import ModifiedAttribute
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.message import ObjectType
from shared.contracts.preview import PlannedAction, PlanRow, PlanTotals, PreviewFact, PreviewRows, PreviewState
from tests.support.builders_console import Console, Reply, deliver, received
from tests.support.builders_schema import USER_ROWS, clause, document, row

TITLES = document(
    row("title", "[jobTitle]"),
    base=(row("externalId", "[objectId]", matchingPriority=1), row("userName", "[mail]"), USER_ROWS[1]),
)
SALES = {"scope": {"groups": [{"name": "sales", "clauses": [clause("department", "EQUALS", "Sales")]}]}}


def path(job: str, more: str = "") -> str:
    return f"/api/v1/jobs/{job}{more}"


async def requests(console: Console) -> list[OperatorRequest]:
    rows = await console.rows("SELECT payload FROM outbox WHERE topic = $1 ORDER BY id", OperatorRequest.topic)
    return [OperatorRequest.model_validate_json(item["payload"]) for item in rows]


async def ask(console: Console, job: str, body: Any = None, **more: Any) -> Reply:
    return await console.call("POST", path(job, "/preview"), body, **({"role": "operator"} | more))


def told(job: str, preview: str, sequence: int = 1, **values: Any) -> PreviewFact:
    """What diff says of a preview."""
    made = {"totals": PlanTotals(users={PlannedAction.UPDATE: 2}, removals=0), "as_of": datetime.now(UTC), "rows": 2}
    state = values.get("state", PreviewState.DONE)
    return PreviewFact(
        job_id=job,
        object_type=ObjectType.PREVIEW,
        object_id=preview,
        sequence=sequence,
        job_version=1,
        at=datetime.now(UTC),
        **({"state": state} | (made if state is PreviewState.DONE else {}) | values),
    )


def plan_rows(job: str, preview: str, first: int, names: list[str], **values: Any) -> PreviewRows:
    planned = [
        PlanRow(
            object_type=ObjectType.USER,
            object_id=name,
            name=f"{name}@example.org",
            reason="Attributes differ: title",
            attributes=(ModifiedAttribute(path="title", old="Buyer", new="Seller"),),
            **({"action": PlannedAction.UPDATE} | values),
        )
        for name in names
    ]
    return PreviewRows(
        job_id=job,
        object_type=ObjectType.PREVIEW,
        object_id=preview,
        sequence=1,
        first=first,
        rows=tuple(planned),
        at=datetime.now(UTC),
    )


async def previewed(console: Console, job: str, body: Any, **values: Any) -> str:
    """Ask for a preview and let diff tell its plan; returns its id."""
    preview: str = (await ask(console, job, body)).json["id"]
    await deliver(console.frame, [received(told(job, preview, **values))])
    return preview


async def test_a_preview_is_a_request_and_an_audit_row_and_changes_nothing(console: Console) -> None:
    job = await console.new_job()
    reply = await ask(console, job, {"schema": TITLES}, headers={"X-Seatkeeper-Reason": "titles"})
    assert reply.status == 202, reply.raw
    shown = shapes.Preview.model_validate_json(reply.raw)
    assert (shown.state, shown.plan, shown.changes, shown.job_version) == ("requested", None, ["schema"], 1)
    assert reply.headers["Location"] == path(job, f"/previews/{shown.id}")
    (request,) = await requests(console)
    assert (request.kind, request.object_type, request.object_id) == (
        RequestKind.PREVIEW,
        ObjectType.PREVIEW,
        shown.id,
    )
    assert request.preview is not None
    assert request.preview.job_version == 1
    assert request.preview.synchronization_schema is not None
    (audit,) = await console.rows("SELECT * FROM operator_audit WHERE action = 'jobs.preview'")
    assert (audit["reason"], json.loads(audit["details"])) == ("titles", {"previewId": shown.id, "changes": ["schema"]})
    assert (await console.call("GET", path(job))).json["version"] == 1
    assert (await console.call("GET", path(job, "/schema"))).headers["ETag"] == '"0"'


async def test_a_schema_that_cannot_be_is_refused_with_every_place_named(console: Console) -> None:
    job = await console.new_job()
    wrong = document(row("title", "Jion([jobTitle])"), row("shoeSize", "[jobTitle]"), base=USER_ROWS)
    refused = await ask(console, job, {"schema": wrong})
    by_save = await console.call("PUT", path(job, "/schema"), wrong)
    assert (refused.status, refused.json) == (422, by_save.json)
    assert len(refused.json["errors"]) >= 2
    patched = await ask(console, job, {"job": {"settings": {"requiredRoles": "User"}}})
    assert (patched.status, patched.json["errors"][0]["field"]) == (422, "settings.requiredRoles")
    assert not await requests(console)


async def test_a_change_of_the_job_is_previewed_with_the_schema_in_force(console: Console) -> None:
    job = await console.new_job()
    await console.call("PUT", path(job, "/schema"), TITLES)
    reply = await ask(
        console, job, {"job": {"settings": {"requiredRoles": ["Seller"], "deletionThreshold": {"count": 3}}}}
    )
    assert (reply.status, reply.json["changes"], reply.json["jobVersion"]) == (202, ["job"], 2)
    wish = (await requests(console))[-1].preview
    assert wish is not None
    assert (wish.settings.required_roles, wish.settings.deletion_threshold.count) == (("Seller",), 3)
    rows = wish.synchronization_schema["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"]  # type: ignore[index] # it is there
    assert "title" in {item["targetAttributeName"] for item in rows}
    other = await ask(console, job, {"job": {"template": "scim"}, "schema": None})
    assert (other.status, other.json["changes"]) == (202, ["schema", "job"])


async def test_the_same_key_asks_once_and_another_wish_with_it_is_refused(console: Console) -> None:
    job = await console.new_job()
    key = {"Idempotency-Key": "key-1"}
    replies = await asyncio.gather(*(ask(console, job, {"schema": TITLES}, headers=key) for _ in range(3)))
    assert {reply.status for reply in replies} == {202}
    assert len({reply.json["id"] for reply in replies}) == 1
    assert len(await requests(console)) == 1
    assert (await ask(console, job, {"schema": None}, headers=key)).status == 409
    assert len(await console.rows("SELECT FROM operator_audit WHERE action = 'jobs.preview'")) == 1
    await ask(console, job)
    assert [request.sequence for request in await requests(console)] == [1, 2]


async def test_who_may_ask_and_who_may_look(console: Console) -> None:
    job = await console.new_job()
    assert (await ask(console, job, role="viewer")).status == 403
    assert (await ask(console, job, role=None)).status == 401
    preview = (await ask(console, job)).json["id"]
    for more in ("/previews", f"/previews/{preview}", f"/previews/{preview}/rows"):
        assert (await console.call("GET", path(job, more), role="viewer")).status == 200
    for more in ("/previews/not-there", "/previews/not-there/rows"):
        found = await console.call("GET", path(job, more))
        assert (found.status, found.json["title"]) == (404, "No such preview")
    assert (await console.call("GET", path("no-such-job", "/previews"))).json["title"] == "No such job"
    assert (await ask(console, "no-such-job")).status == 404


async def test_a_plan_is_shown_in_numbers_and_pages(console: Console) -> None:
    job = await console.new_job()
    preview = (await ask(console, job, {"schema": TITLES})).json["id"]
    running = told(job, preview, 1, state=PreviewState.RUNNING, looked_at=250, expected=1000)
    await deliver(console.frame, [received(running)])
    shown = (await console.call("GET", path(job, f"/previews/{preview}"))).json
    assert (shown["state"], shown["percent"], shown["plan"], shown["expiresAt"]) == ("running", 25, None, None)
    totals = PlanTotals(
        users={PlannedAction.UPDATE: 3, PlannedAction.DISABLE: 2},
        attributes={"title": 3, "active": 2},
        removals=2,
        managed=9,
        held=2,
        held_because="too many",
    )
    first = plan_rows(job, preview, 0, ["a", "b", "c"])
    second = plan_rows(job, preview, 3, ["d", "e"], action=PlannedAction.DISABLE, counted=True)
    done = told(job, preview, 4, totals=totals, rows=5, looked_at=1000, expected=1000, digest="d1")
    await deliver(console.frame, [received(message) for message in (first, second, done)])
    shown = shapes.Preview.model_validate_json((await console.call("GET", path(job, f"/previews/{preview}"))).raw)
    assert shown.plan is not None
    assert (shown.state, shown.rows, shown.digest, shown.percent) == ("done", 5, "d1", 100)
    assert (shown.plan.users[PlannedAction.UPDATE], shown.plan.users[PlannedAction.CREATE], shown.plan.empty) == (
        3,
        0,
        False,
    )
    assert (shown.plan.removals.counted, shown.plan.removals.held_because) == (2, "too many")
    pages = shapes.PreviewRows.model_validate_json(
        (await console.call("GET", path(job, f"/previews/{preview}/rows?limit=2"))).raw
    )
    assert [item.object_id for item in pages.value] == ["a", "b"]
    rest = await console.call("GET", path(job, f"/previews/{preview}/rows?limit=10&cursor={pages.next_cursor}"))
    assert [item["objectId"] for item in rest.json["value"]] == ["c", "d", "e"]
    assert rest.json["nextCursor"] is None
    assert rest.json["value"][0]["attributes"] == [{"path": "title", "before": "Buyer", "after": "Seller"}]
    only = await console.call("GET", path(job, f"/previews/{preview}/rows?action=disable&objectType=user"))
    assert [(item["objectId"], item["held"]) for item in only.json["value"]] == [("d", True), ("e", True)]
    assert (await console.call("GET", path(job, f"/previews/{preview}/rows?action=burn"))).status == 422
    listed = (await console.call("GET", path(job, "/previews"))).json["value"]
    assert [item["id"] for item in listed] == [preview]


async def test_messages_twice_and_swapped_and_lost_come_to_the_same(console: Console) -> None:
    job = await console.new_job()
    preview = (await ask(console, job)).json["id"]
    done = received(told(job, preview, 3))
    older = received(told(job, preview, 2, state=PreviewState.RUNNING, looked_at=1, expected=2))
    rows = received(plan_rows(job, preview, 0, ["a"]))
    again = received(plan_rows(job, preview, 0, ["a"]), service="another event")
    unknown = received(plan_rows(job, "not-asked-for", 0, ["a"]))
    await deliver(console.frame, [done], crash=True)
    await deliver(console.frame, [done, rows])
    await deliver(console.frame, [older, rows, again, done, unknown])
    assert (await console.call("GET", path(job, f"/previews/{preview}"))).json["state"] == "done"
    assert len(await console.rows("SELECT FROM preview_row")) == 1


async def save(console: Console, job: str, preview: str, schema: Mapping[str, Any] | None = None) -> Reply:
    return await console.call("PUT", path(job, f"/schema?preview={preview}"), schema or TITLES)


async def test_the_schema_that_was_shown_is_saved_and_the_audit_names_the_preview(console: Console) -> None:
    job = await console.new_job()
    preview = await previewed(console, job, {"schema": TITLES})
    saved = await save(console, job, preview)
    assert (saved.status, saved.json["schemaVersion"]) == (200, 1)
    (audit,) = await console.rows("SELECT details FROM operator_audit WHERE action = 'schema.save'")
    assert json.loads(audit["details"])["previewId"] == preview
    assert (await save(console, job, preview)).status == 200, "the same again changes nothing"
    other = document(
        row("title", "[department]"),
        base=tuple(TITLES["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"][:3]),
    )
    refused = await save(console, job, preview, other)
    assert (refused.status, refused.json["title"]) == (409, "This is not what the preview showed")


async def test_another_schema_than_the_one_shown_is_refused(console: Console) -> None:
    job = await console.new_job()
    preview = await previewed(console, job, {"schema": TITLES})
    other = document(base=USER_ROWS[1:] + TITLES_BASE, **SALES)
    refused = await save(console, job, preview, other)
    assert refused.status == 409
    assert "not the one that was previewed" in refused.json["detail"]
    assert (await console.call("GET", path(job, "/schema"))).headers["ETag"] == '"0"'


TITLES_BASE = (row("externalId", "[objectId]", matchingPriority=1), row("userName", "[mail]"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"state": PreviewState.RUNNING}, "not made yet"),
        ({"state": PreviewState.FAILED, "detail": "no"}, "its state is failed"),
        ({"state": PreviewState.SUPERSEDED}, "its state is superseded"),
        ({"as_of": datetime.now(UTC) - timedelta(minutes=90)}, "people may have come and gone"),
    ],
    ids=["running", "failed", "superseded", "too-old"],
)
async def test_a_plan_that_does_not_count_saves_nothing(console: Console, values: dict[str, Any], words: str) -> None:
    job = await console.new_job()
    preview = await previewed(console, job, {"schema": TITLES}, **values)
    refused = await save(console, job, preview)
    assert (refused.status, words in refused.json["detail"]) == (409, True), refused.raw


async def test_a_job_that_was_changed_since_needs_another_preview(console: Console) -> None:
    job = await console.new_job()
    preview = await previewed(console, job, {"schema": TITLES})
    await console.call("PATCH", path(job), {"displayName": "Another"})
    refused = await save(console, job, preview)
    assert (refused.status, "version 2" in refused.json["detail"]) == (409, True)
    missing = await save(console, job, "not-there")
    assert missing.status == 404


async def test_a_change_of_the_job_is_saved_by_its_own_preview(console: Console) -> None:
    job = await console.new_job()
    patch = {"settings": {"requiredRoles": ["Seller"]}}
    of_schema = await previewed(console, job, {"schema": TITLES})
    of_both = await previewed(console, job, {"schema": TITLES, "job": patch})
    of_job = await previewed(console, job, {"job": patch})

    async def change(preview: str, by: Any) -> Reply:
        return await console.call("PATCH", path(job, f"?preview={preview}"), by)

    assert "not about a change of the job" in (await change(of_schema, patch)).json["detail"]
    assert "one request saves one of them" in (await change(of_both, patch)).json["detail"]
    assert "not about a change of the schema" in (await save(console, job, of_job)).json["detail"]
    other = await change(of_job, {"settings": {"requiredRoles": ["Reader"]}})
    assert (other.status, "not the one that was previewed" in other.json["detail"]) == (409, True)
    saved = await change(of_job, patch)
    assert (saved.status, saved.json["settings"]["requiredRoles"]) == (200, ["Seller"])
    (audit,) = await console.rows("SELECT details FROM operator_audit WHERE action = 'jobs.change'")
    assert json.loads(audit["details"])["previewId"] == of_job


async def test_the_default_of_the_template_is_restored_by_its_preview(console: Console) -> None:
    job = await console.new_job()
    await console.call("PUT", path(job, "/schema"), TITLES)
    preview = await previewed(console, job, {"schema": None})
    assert (await requests(console))[-1].preview.synchronization_schema is None  # type: ignore[union-attr] # it is one
    wrong = await previewed(console, job, {"schema": TITLES})
    assert (await console.call("DELETE", path(job, f"/schema?preview={wrong}"))).status == 409
    restored = await console.call("DELETE", path(job, f"/schema?preview={preview}"))
    assert (restored.status, restored.json["schemaVersion"]) == (200, 2)


async def test_previews_are_forgotten_after_a_day_and_with_their_job(console: Console) -> None:
    job, other = await console.new_job(), await console.new_job()
    old = await previewed(console, job, None)
    await deliver(console.frame, [received(plan_rows(job, old, 0, ["a"]))])
    await console.rows("UPDATE preview SET at = at - interval '25 hours'")
    await ask(console, job)
    await ask(console, other)
    await console.call("DELETE", path(other))
    await prune(console.frame)
    kept = await console.rows("SELECT job_id, preview_id FROM preview")
    assert [item["job_id"] for item in kept] == [job]
    assert kept[0]["preview_id"] != old
    assert not await console.rows("SELECT FROM preview_row")
