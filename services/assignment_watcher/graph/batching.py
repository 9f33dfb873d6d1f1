"""JSON batching ("Combine multiple HTTP requests using JSON batching"): many reads in one request, each answered on its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

MOST_IN_BATCH: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """The answer to one read of a batch. ``body`` is its JSON value; ``retry_after`` its own header of that name."""

    status: int
    body: Any
    retry_after: str | None = None
    challenge: str | None = None


def pack(paths: Mapping[str, str], *, in_background: bool, content: Any = None) -> bytes:
    """Return the body that asks for ``paths`` (relative to the version, with a slash first) by their keys.

    With ``content`` each of them is a POST of that.
    """
    headers = {"x-ms-throttle-priority": "Low"} if in_background else {}
    more: dict[str, Any] = {"method": "GET"}
    if content is not None:
        headers = {**headers, "Content-Type": "application/json"}
        more = {"method": "POST", "body": content}
    if headers:
        more["headers"] = headers
    requests = [{"id": key, "url": path, **more} for key, path in paths.items()]
    return orjson.dumps({"requests": requests})


def unpack(content: Mapping[str, Any]) -> dict[str, Inner]:
    """Return the answers by key, in whatever order they came. What is not an answer is left out: its read is then unanswered."""
    answers = content.get("responses")
    return {
        answer["id"]: Inner(
            status=answer["status"],
            body=answer.get("body"),
            retry_after=_header(answer, "retry-after"),
            challenge=_header(answer, "www-authenticate"),
        )
        for answer in (answers if isinstance(answers, list) else ())
        if isinstance(answer, dict) and isinstance(answer.get("id"), str) and type(answer.get("status")) is int
    }


def _header(answer: Mapping[str, Any], name: str) -> str | None:
    headers = answer.get("headers")
    for key, value in headers.items() if isinstance(headers, dict) else ():
        if key.casefold() == name and isinstance(value, str | int | float):
            return str(value)
    return None
