"""Previews in diff: what an operator asks for, and the loop's one step."""

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

from services.diff.handlers import Handlers
from services.diff.previews.making import Previews
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.job import JobSettings
from shared.contracts.message import ObjectType
from shared.contracts.preview import PlanRow, PreviewFact, PreviewRows, PreviewWish
from shared.contracts.templates import TEMPLATES
from tests.support.builders_diff import AT, BACKOFF, JOB, TEMPLATE
from tests.support.diff_frames import Diff

BATCH = 3
HANDLERS = Handlers(backoff=BACKOFF, retry_batch=BATCH, gathering=timedelta(0))
Edit = Callable[[dict[str, Any]], object]


def template_document(*, users: Edit | None = None, groups: Edit | None = None) -> dict[str, Any]:
    """The default schema of the template, its mappings of users and groups edited."""
    document = deepcopy(TEMPLATES[TEMPLATE].schema.document())
    mappings = {
        mapping["sourceObjectName"]: mapping
        for rule in document["synchronizationRules"]
        for mapping in rule["objectMappings"]
    }
    for name, edit in (("User", users), ("Group", groups)):
        if edit is not None:
            edit(mappings[name])
    return document


def filtered(name: str, operator: str, *values: str) -> dict[str, Any]:
    """The default schema with a scoping filter of users."""
    clause = {"sourceOperandName": name, "operatorName": operator, "targetOperand": {"values": list(values)}}
    scope = {"groups": [{"name": "Staff", "clauses": [clause]}]}
    return template_document(users=lambda mapping: mapping.update(scope=scope))


def mapped(target: str, expression: str, **more: Any) -> dict[str, Any]:
    """The default schema with another source of one attribute of users."""

    def edit(mapping: dict[str, Any]) -> None:
        for row in mapping["attributeMappings"]:
            if row["targetAttributeName"] == target:
                row.update(source={"expression": expression, "type": "Function"}, **more)

    return template_document(users=edit)


def wish(document: dict[str, Any] | None = None, *, version: int = 1, **settings: Any) -> PreviewWish:
    return PreviewWish(
        job_version=version,
        template=TEMPLATE,
        settings=JobSettings(**settings),
        synchronization_schema=document,
    )


def asked(wanted: PreviewWish, preview_id: str = "preview-1", number: int = 1, job_id: str = JOB) -> OperatorRequest:
    """What console says when an operator asks for a preview."""
    return OperatorRequest(
        job_id=job_id,
        object_type=ObjectType.PREVIEW,
        object_id=preview_id,
        sequence=number,
        kind=RequestKind.PREVIEW,
        idempotency_key=preview_id,
        preview=wanted,
        requested_by="an operator",
        at=AT,
    )


async def make(diff: Diff, *, patience: float = 600) -> None:
    """Make every plan that is asked for, as the loop does."""
    async with diff.frame.lease("diff/previews") as lease:
        assert lease is not None
        await Previews(HANDLERS, timedelta(seconds=patience)).make_all(diff.frame, lease)


async def preview(diff: Diff, wanted: PreviewWish, preview_id: str = "preview-1", number: int = 1) -> PreviewFact:
    """Ask for a preview, make its plan, and return the last word about it."""
    await diff.give(asked(wanted, preview_id, number))
    await make(diff)
    return (await facts(diff, preview_id))[-1]


async def facts(diff: Diff, preview_id: str = "preview-1") -> list[PreviewFact]:
    return [fact for fact in await diff.said(PreviewFact) if fact.object_id == preview_id]


async def rows(diff: Diff, preview_id: str = "preview-1") -> dict[str, PlanRow]:
    """The rows that were told, by the ids of their objects."""
    said = [message for message in await diff.said(PreviewRows) if message.object_id == preview_id]
    return {row.object_id: row for message in said for row in message.rows}
