"""Commands about groups, and a group in memory that may refuse members and lose answers."""

from collections.abc import Iterable
from typing import Any

import orjson

from services.scim_writer.answers import Reply, judge
from services.scim_writer.core import plan
from services.scim_writer.dialects import RFC7644, Dialect
from services.scim_writer.requests import Kind, ScimRequest
from services.scim_writer.trail import Finish, Profile, Work
from shared.contracts.changes import Command, License, LicenseDecision, MatchingValue, Operation
from shared.contracts.message import ObjectType
from simulators.linkedin.errors import ScimError
from simulators.linkedin.group_patch import GroupChange, apply
from simulators.linkedin.members import MemberChange, Members
from tests.support.messages import NOON, a_change

JOB = "job"
NAME = "Sales EMEA"
TAKES_GROUPS = Profile(groups=True)


def a_group_command(
    object_id: str = "emea",
    generation: int = 1,
    *,
    job_id: str = JOB,
    operation: Operation = Operation.CREATE,
    name: str = NAME,
    **overrides: Any,
) -> Command:
    """A command about one group, as diff words it: matched by its name, without a license."""
    resource = {"displayName": name, "externalId": object_id}
    values: dict[str, Any] = {
        "object_type": ObjectType.GROUP,
        "operation": operation,
        "resource": resource,
        "matching": (MatchingValue(attribute="displayName", value=name),),
        "needs_license": False,
    }
    if operation is Operation.CREATE:
        values["modified"] = tuple({"path": path, "new": value} for path, value in resource.items())
    change = a_change(job_id, object_id, generation, **(values | overrides))
    return Command(**change.model_dump(), license=License(decision=LicenseDecision.NOT_NEEDED, reason="a group"))


def a_rename(old: str, new: str, generation: int = 2, **overrides: Any) -> Command:
    """A command that renames a group."""
    modified = ({"path": "displayName", "old": old, "new": new},)
    return a_group_command(
        generation=generation, operation=Operation.UPDATE, name=new, **({"modified": modified} | overrides)
    )


def a_member_command(operation: Operation, members: Iterable[str], generation: int = 2, **overrides: Any) -> Command:
    """A command that adds or removes members."""
    return a_group_command(generation=generation, operation=operation, members=tuple(members), **overrides)


class ModelGroup:
    """One group at a target that knows only some users; every PATCH is done as a whole or not at all."""

    id = "g1"

    def __init__(self, known: Iterable[str], *, strict: bool = False, refusal: int = 400) -> None:
        self.known = set(known)
        self.members: Members = {}
        self.requests = 0
        self._strict = strict
        self._refusal = refusal

    def carry_out(self, command: Command, *, lost: frozenset[int] = frozenset(), dialect: Dialect = RFC7644) -> Finish:
        """Follow the plan of a command; the answers to the requests with these numbers (from 0) are lost after they were done."""
        steps = plan(Work(command=command, target_id=self.id), Profile(groups=True, dialect=dialect))
        number = 0
        try:
            request = next(steps)
            while True:
                reply = self._answer(request)
                if number in lost:
                    reply = Reply(status=None, trouble="lost", maybe_done=True)
                number += 1
                request = steps.send(judge(request.kind, reply, NOON, request.endpoint))
        except StopIteration as end:
            finish: Finish = end.value
            return finish

    def _answer(self, request: ScimRequest) -> Reply:
        self.requests += 1
        if request.kind is Kind.READ:
            return Reply(status=200, body=orjson.dumps({"id": self.id, "displayName": NAME}))
        assert request.kind is Kind.PATCH
        change = GroupChange(display_name=NAME, external_id=None, members=MemberChange(self.members))
        body = orjson.loads(request.body or b"")
        try:
            self._refuse_absent(body)
            apply(change, body, self._known)
        except ScimError as error:
            return Reply(status=error.status, body=error.body())
        change.members.commit()
        return Reply(status=204)

    def _refuse_absent(self, body: Any) -> None:
        """A strict target answers noTarget to a value path that selects nobody (RFC 7644, section 3.5.2)."""
        for operation in body["Operations"]:
            named = operation["path"].partition('"')[2].partition('"')[0]
            if self._strict and named and named not in self.members:
                raise ScimError(400, "Nobody is selected.", "noTarget")

    def _known(self, members: Iterable[str]) -> list[str]:
        listed = list(members)
        if not self.known.issuperset(listed):
            raise ScimError(self._refusal, "Somebody is not known.")
        return listed
