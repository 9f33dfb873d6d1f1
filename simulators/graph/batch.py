"""``POST /v1.0/$batch`` ("Combine multiple HTTP requests using JSON batching")."""

import base64
import random
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import orjson
from multidict import CIMultiDict

from simulators.graph.exchange import Incoming, Reply
from simulators.graph.faults import PAGE_KINDS, Fault
from simulators.graph.odata import GraphError, bad_request

if TYPE_CHECKING:
    from simulators.graph.responding import Responder

MOST = 20
SHOWN = ("Content-Type", "Retry-After", "Location", "x-ms-resource-unit")
INNER_KINDS = PAGE_KINDS | {"status", "throttle", "stale"}
"""Faults that an inner request can have; the others belong to a connection."""


async def run(responder: "Responder", incoming: Incoming, fault: Fault | None) -> Reply:
    """Answer each inner request as if it had come alone, in an order of its own; 400 when the batch is malformed."""
    reply = responder.begin(incoming)
    try:
        if fault is not None and fault.kind in ("status", "throttle"):
            raise fault.error()
        responder.open(incoming)
        asked = _read(incoming)
    except GraphError as error:
        return responder.refuse(reply, error)
    done: dict[str, dict[str, Any]] = {}
    for inner in asked:
        failed = [other for other in inner.get("dependsOn", []) if done[other.casefold()]["status"] >= 400]
        done[str(inner["id"]).casefold()] = (
            _failed_dependency(inner) if failed else await _one(responder, incoming, inner)
        )
    answers = list(done.values())
    random.Random(f"{responder.sim.seed}/{responder.count}").shuffle(answers)
    reply.body = orjson.dumps({"responses": answers})
    reply.headers["Content-Type"] = "application/json"
    return reply


def _read(incoming: Incoming) -> list[dict[str, Any]]:
    try:
        asked = incoming.content["requests"]
    except (ValueError, TypeError, KeyError):
        raise bad_request("Invalid batch payload format.") from None
    if not isinstance(asked, list) or not all(isinstance(inner, dict) for inner in asked):
        raise bad_request("Invalid batch payload format.")
    if len(asked) > MOST:
        raise bad_request(f"Number of batch request steps exceeds the maximum value of '{MOST}'.")
    seen: set[str] = set()
    for inner in asked:
        name, url = inner.get("id"), inner.get("url")
        if (
            not isinstance(name, str)
            or not name
            or not isinstance(url, str)
            or not isinstance(inner.get("method"), str)
        ):
            raise bad_request("Each batch request needs an id, a method and a url.")
        if name.casefold() in seen:
            raise bad_request(f"Request Id '{name[:40]}' has to be unique in a batch.")
        if "://" in url or url.lstrip("/").startswith("$batch"):
            raise bad_request("The url of a batch request must be relative, and no batch.")
        if any(str(other).casefold() not in seen for other in inner.get("dependsOn", [])):
            raise bad_request("A batch request can depend on requests before it only.")
        seen.add(name.casefold())
    return asked


async def _one(responder: "Responder", outer: Incoming, inner: dict[str, Any]) -> dict[str, Any]:
    path, _, query = inner["url"].partition("?")
    body = inner.get("body")
    headers = CIMultiDict({str(k): str(v) for k, v in (inner.get("headers") or {}).items()})
    headers.setdefault("Authorization", outer.headers.get("Authorization", ""))
    incoming = Incoming(
        method=inner["method"].upper(),
        path="/v1.0/" + unquote(path).lstrip("/"),
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        origin=outer.origin,
        headers=headers,
        body=b"" if body is None else orjson.dumps(body),
    )
    fault = responder.sim.faults.take(incoming.path, method=incoming.method, query=query, kinds=INNER_KINDS)
    reply = await responder.respond(incoming, fault)
    responder.sim.journal.record(f"$batch {responder.kind(incoming)}", reply.status, reply.units)
    answer: dict[str, Any] = {"id": inner["id"], "status": reply.status}
    answer["headers"] = {name: reply.headers[name] for name in SHOWN if name in reply.headers}
    if reply.body:
        is_json = reply.headers.get("Content-Type", "").startswith("application/json")
        answer["body"] = orjson.loads(reply.body) if is_json else base64.b64encode(reply.body).decode()
    return answer


def _failed_dependency(inner: dict[str, Any]) -> dict[str, Any]:
    error = {"code": "FailedDependency", "message": "A request that this one depends on has failed."}
    body = {"error": error}
    return {"id": inner["id"], "status": 424, "headers": {"Content-Type": "application/json"}, "body": body}
