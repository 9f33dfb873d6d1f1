"""`/scim`: authentication, faults, counting, and the way from an HTTP request to an operation and back."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from simulators.linkedin.accounts import Accounts
from simulators.linkedin.answers import Answer
from simulators.linkedin.discovery import ENDPOINTS, Discovery
from simulators.linkedin.errors import NOT_JSON, GatewayError, ScimError
from simulators.linkedin.faults import Fault, Faults, ThrottledError, UnavailableError
from simulators.linkedin.groups import Groups
from simulators.linkedin.journal import Journal
from simulators.linkedin.licenses import Configuration, Configurations
from simulators.linkedin.settings import Settings
from simulators.linkedin.users import Users

_SCIM: Final = "application/scim+json; charset=utf-8"
_JSON: Final = "application/json"
_WRITES: Final = frozenset({"POST", "PATCH", "PUT", "DELETE"})


@dataclass(slots=True, kw_only=True)
class _Call:
    """One request, read and authenticated, on its way to an operation that fills `answer`."""

    method: str
    resource: str
    name: str | None
    query: dict[str, str]
    raw: bytes
    configuration: Configuration
    if_match: str | None
    if_none_match: str | None
    answer: Answer


class ScimEndpoint:
    """Answers every request below `/scim`, and holds the state that the control plane shows."""

    def __init__(self, base_url: str, settings: Settings) -> None:
        self.settings = settings
        self.accounts = Accounts(base_url)
        self.configurations = Configurations()
        self.faults = Faults()
        self.journal = Journal()
        self.users = Users(self.accounts, settings, self.faults)
        self.groups = Groups(self.accounts, settings, self.faults)
        self._discovery = Discovery(base_url, settings)
        self._in_flight = 0

    async def handle(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """Answer one request; `path` is what follows `/scim/`."""
        at = time.time()
        method = request.method
        self._in_flight += 1
        self.journal.in_flight_max = max(self.journal.in_flight_max, self._in_flight)
        resource, _, name = path.partition("/")
        answer = Answer(resource_id=name or None)
        response: web.Response | None = None
        try:
            response = await self._respond(request, method, resource, answer)
        finally:
            self._in_flight -= 1
            status = 0 if response is None else response.status
            self.journal.count(method, status)
            if method in _WRITES:
                self.journal.write(
                    at=at,
                    method=method,
                    resource=resource,
                    resource_id=answer.resource_id,
                    external_id=answer.external_id,
                    status=status,
                    accepted=answer.committed,
                    members=answer.members,
                )
        if response is None:
            if request.transport is not None:
                request.transport.close()
            return web.Response()
        return response

    async def _respond(
        self, request: web.BaseRequest, method: str, resource: str, answer: Answer
    ) -> web.Response | None:
        """The response, or None for a connection that is dropped without one."""
        try:
            configuration = self.configurations.authenticate(request.headers.get("Authorization"))
            if self.settings.latencyMs:
                await asyncio.sleep(self.settings.latencyMs / 1000)
            if self.faults:
                fault = await self.faults.before(method, resource)
                if fault is not None:
                    return await _broken(request, fault)
            call = _Call(
                method=method,
                resource=resource,
                name=answer.resource_id,
                query=_query(request.rel_url.raw_query_string),
                raw=await request.read() if method in _WRITES else b"",
                configuration=configuration,
                if_match=request.headers.get("If-Match"),
                if_none_match=request.headers.get("If-None-Match"),
                answer=answer,
            )
            given = self._dispatch(call)
            if self.faults:
                fault = await self._after(method, resource, committed=given.committed)
                if fault is not None:
                    return _lost(fault)
        except ScimError as error:
            body = error.body("string" if self.settings.errorStatus == "string" else "integer")
            return web.Response(status=error.status, body=body, headers=_error_headers(error, _SCIM))
        except GatewayError as error:
            return web.Response(status=error.status, body=error.body(), headers=_error_headers(error, _JSON))
        if given.body:
            given.headers["Content-Type"] = _SCIM
        return web.Response(status=given.status, body=given.body, headers=given.headers)

    async def _after(self, method: str, resource: str, *, committed: bool) -> Fault | None:
        """What happens once the request has been carried out: a stall, then perhaps a lost or false answer."""
        if any(fault.kind == "stall" and fault.options.get("when", "after") == "after" for fault in self.faults.all):
            stall = self.faults.take("stall", method, resource)
            if stall is not None:
                await asyncio.sleep(stall.options["seconds"])
        if not committed:
            return None
        return self.faults.take("commitThenDrop", method, resource) or self.faults.take(
            "commitThenStatus", method, resource
        )

    def _dispatch(self, call: _Call) -> Answer:
        if call.resource == "Users":
            return self._users(call)
        if call.resource == "Groups":
            return self._groups(call)
        if call.resource in ENDPOINTS and self.settings.discovery:
            if call.method != "GET":
                raise ScimError(405, "This endpoint is read-only.")
            return self._discovery.read(call.resource, call.name, call.query)
        if call.resource in ("Bulk", "Me", ".search"):
            raise ScimError(501, "This endpoint is not offered.")
        raise ScimError(404, "There is no such endpoint.")

    def _users(self, call: _Call) -> Answer:
        users, answer = self.users, call.answer
        match call.method, call.name:
            case "GET", None:
                return users.query(call.query)
            case "POST", None:
                return users.create(call.raw, call.configuration, answer)
            case "POST", ".search":
                raise ScimError(501, "Searching by POST is not offered.")
            case "GET", str(name):
                return users.read(name, call.query, call.if_none_match)
            case "PATCH", str(name):
                return users.patch(name, call.raw, call.configuration, answer, if_match=call.if_match)
            case "PUT", str(name):
                return users.replace(name, call.raw, call.configuration, answer, if_match=call.if_match)
            case "DELETE", str(name):
                users.delete(name, call.configuration, answer)
                if self.accounts.get(name) is None:
                    self.groups.forget_member(name)
                return answer
        raise ScimError(405, "This method is not offered here.")

    def _groups(self, call: _Call) -> Answer:
        groups, answer = self.groups, call.answer
        match call.method, call.name:
            case "GET", None:
                return groups.query(call.query)
            case "POST", None:
                return groups.create(call.raw, answer)
            case "POST", ".search":
                raise ScimError(501, "Searching by POST is not offered.")
            case "GET", str(name):
                return groups.read(name, call.query)
            case "PATCH", str(name):
                return groups.patch(name, call.raw, answer)
            case "PUT", str(name):
                return groups.replace(name, call.raw, answer)
            case "DELETE", str(name):
                return groups.delete(name, answer)
        raise ScimError(405, "This method is not offered here.")


def _query(raw: str) -> dict[str, str]:
    if not raw:
        return {}
    if raw.startswith("filter=") and "&" not in raw:
        return {"filter": unquote_plus(raw[7:])}
    return dict(parse_qsl(raw, keep_blank_values=True))


async def _broken(request: web.BaseRequest, fault: Fault) -> web.Response | None:
    await request.read()
    if fault.kind == "dropBeforeCommit":
        return None
    return web.Response(status=fault.options.get("status", 200), body=NOT_JSON, headers={"Content-Type": "text/html"})


def _lost(fault: Fault) -> web.Response | None:
    if fault.kind == "commitThenDrop":
        return None
    status = fault.options.get("status", 504)
    body = ScimError(status, "The answer did not arrive in time.").body()
    return web.Response(status=status, body=body, headers={"Content-Type": _SCIM})


def _error_headers(error: ScimError | GatewayError, media: str) -> dict[str, str]:
    headers = {"Content-Type": media}
    if isinstance(error, ThrottledError | UnavailableError) and error.retry_after is not None:
        headers["Retry-After"] = error.retry_after
    return headers
