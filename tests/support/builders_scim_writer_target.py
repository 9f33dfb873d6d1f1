"""A SCIM target in memory, with faults in every place where a network has them, and a process that may die while it talks to it."""

from enum import StrEnum
from typing import Any
from urllib.parse import unquote

import orjson

from services.scim_writer.answers import Reply, judge
from services.scim_writer.core import plan
from services.scim_writer.requests import Kind, ScimRequest
from services.scim_writer.trail import Finish, Profile, Work
from shared.contracts.changes import Operation
from simulators.linkedin.attributes import normalise_user
from simulators.linkedin.errors import ScimError
from simulators.linkedin.patch import apply
from tests.support.messages import NOON

LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


class Fault(StrEnum):
    """What happens to one request."""

    NONE = "none"
    DROP_BEFORE = "dropBefore"
    COMMIT_THEN_DROP = "commitThenDrop"
    COMMIT_THEN_500 = "commitThen500"
    THROTTLED = "429"
    BROKEN = "500"
    CONFLICT = "409"
    STALE = "staleSearch"
    DIE_BEFORE = "dieBefore"
    DIE_AFTER = "dieAfter"


class ModelTarget:
    """Accounts by id; externalId is unique."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Any]] = {}
        self._number = 0

    def place(self, resource: dict[str, Any]) -> str:
        """Put an account there; returns its id."""
        self._number += 1
        target_id = str(self._number)
        self.accounts[target_id] = {
            **normalise_user(resource_with_schemas(resource), required=frozenset()),
            "id": target_id,
        }
        return target_id

    def erase(self) -> None:
        """Remove every account behind everybody's back."""
        self.accounts.clear()

    def carry_out(self, work: Work, faults: list[Fault]) -> Finish | None:
        """Follow the plan of ``work``, one fault for each request in turn; None when the process dies."""
        left = list(faults)
        steps = plan(work, Profile())
        try:
            request = next(steps)
            while True:
                fault = left.pop(0) if left else Fault.NONE
                if fault is Fault.DIE_BEFORE:
                    return None
                if fault is Fault.STALE and work.command.operation is Operation.DISABLE:
                    fault = Fault.NONE  # nobody can disable what is not shown; the README says so
                reply = self._answer(request, fault)
                if fault is Fault.DIE_AFTER:
                    return None
                verdict = judge(request.kind, reply, NOON)
                if not verdict.throttled:
                    request = steps.send(verdict)
        except StopIteration as end:
            finish: Finish = end.value
            return finish

    def _answer(self, request: ScimRequest, fault: Fault) -> Reply:
        if fault is Fault.DROP_BEFORE:
            return Reply(status=None, trouble="lost", maybe_done=True)
        if fault in (Fault.THROTTLED, Fault.BROKEN):
            return Reply(status=int(fault))
        if fault is Fault.CONFLICT and request.kind is Kind.CREATE:
            return Reply(status=409)
        if fault is Fault.STALE and request.kind is Kind.LOOK:
            return self._list([])
        reply = self._done(request)
        if fault is Fault.COMMIT_THEN_DROP:
            return Reply(status=None, trouble="lost", maybe_done=True)
        return Reply(status=500) if fault is Fault.COMMIT_THEN_500 else reply

    def _done(self, request: ScimRequest) -> Reply:
        if request.kind is Kind.LOOK:
            value = unquote(request.path.partition("filter=")[2]).partition(" eq ")[2]
            wanted = orjson.loads(value)
            return self._list([held for held in self.accounts.values() if held.get("externalId") == wanted])
        if request.kind is Kind.CREATE:
            body = orjson.loads(request.body or b"")
            if any(held.get("externalId") == body.get("externalId") for held in self.accounts.values()):
                return Reply(status=409)
            target_id = self.place(body)
            return Reply(status=201, body=orjson.dumps(self.accounts[target_id]))
        target_id = request.path.rpartition("/")[2]
        held = self.accounts.get(target_id)
        if held is None:
            return Reply(status=404)
        if request.kind is Kind.PATCH:
            try:
                patched = apply(
                    orjson.loads(orjson.dumps(held)), orjson.loads(request.body or b""), required=frozenset()
                )
            except ScimError as error:
                return Reply(status=error.status, body=error.body())
            self.accounts[target_id] = {**normalise_user(patched, required=frozenset()), "id": target_id}
        return Reply(status=200, body=orjson.dumps(self.accounts[target_id]))

    def _list(self, accounts: list[dict[str, Any]]) -> Reply:
        return Reply(
            status=200, body=orjson.dumps({"schemas": [LIST], "totalResults": len(accounts), "Resources": accounts})
        )


def resource_with_schemas(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource with the schema of a user when it names none."""
    return {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], **resource}
