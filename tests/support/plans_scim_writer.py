"""Plans of scim-writer followed against scripted answers."""

from typing import Any

import orjson

from services.scim_writer.answers import Reply, judge
from services.scim_writer.core import plan
from services.scim_writer.requests import Kind, ScimRequest
from services.scim_writer.trail import Finish, Profile, Work
from tests.support.builders_scim_writer_target import LIST
from tests.support.messages import NOON


def follow(work: Work, *replies: Reply, profile: Profile | None = None) -> tuple[Finish, list[ScimRequest]]:
    """Run a plan against these replies, in order; every one of them is used."""
    sent: list[ScimRequest] = []
    left = list(replies)
    steps = plan(work, profile or Profile())
    try:
        request = next(steps)
        while True:
            sent.append(request)
            request = steps.send(judge(request.kind, left.pop(0), NOON, request.endpoint))
    except StopIteration as end:
        assert not left, "the plan ended before every answer was used"
        finish: Finish = end.value
        return finish, sent


def found(*accounts: dict[str, Any]) -> Reply:
    """What a search answers that finds these."""
    return Reply(
        status=200, body=orjson.dumps({"schemas": [LIST], "totalResults": len(accounts), "Resources": accounts})
    )


def status(number: int, **body: Any) -> Reply:
    """An answer with this status and this JSON."""
    return Reply(status=number, body=orjson.dumps(body) if body else b"")


LOST = Reply(status=None, trouble="the connection broke.", maybe_done=True)
EMPTY = found()
OK = Reply(status=204)


def operations(request: ScimRequest) -> Any:
    """The operations of a PATCH."""
    return orjson.loads(request.body or b"")["Operations"]


def kinds(sent: list[ScimRequest]) -> list[Kind]:
    """What each request was for."""
    return [request.kind for request in sent]
