"""Our requests and our judgement against a SCIM server that somebody else wrote (scim2-server)."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from scim2_models import ScimProvider
from scim2_server.memory import InMemoryStorage
from scim2_server.testserver.application import BEARER_TOKEN_SCHEME, BearerTokenApplication
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)

from services.scim_writer import requests
from services.scim_writer.answers import hits, judge
from services.scim_writer.core import plan
from services.scim_writer.dialects import ENTRA, ENTRA_062020, RFC7644, Dialect
from services.scim_writer.resources import MANAGER, differences
from services.scim_writer.scim import ScimTarget
from services.scim_writer.settings import ScimWriterSettings
from services.scim_writer.trail import Finish, Profile, Work
from shared.contracts.changes import Command, MatchingValue, Operation
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import Result
from tests.support.builders_scim_writer import DEPARTMENT, WORK_EMAIL, a_command, a_disable, a_resource, an_update
from tests.support.builders_scim_writer_groups import NAME, a_group_command, a_member_command, a_rename
from tests.support.frames import settings_for
from tests.support.messages import NOON

TOKEN = "not-a-real-token"
LOCALITY = 'addresses[type eq "work"].locality'


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name that the base class gives it
        """Nothing is written to the terminal."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@pytest.fixture
def tenant_url() -> Iterator[str]:
    """The address of an empty server of its own."""
    config = load_default_service_provider_config()
    config.authentication_schemes = [BEARER_TOKEN_SCHEME]
    provider = ScimProvider.from_discovery(
        load_default_schemas().values(), load_default_resource_types().values(), config=config
    )
    application = BearerTokenApplication(InMemoryStorage(), provider, bearer_tokens=[TOKEN])
    with make_server("127.0.0.1", 0, application, server_class=_Server, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v2"
        finally:
            server.shutdown()
            thread.join()


@asynccontextmanager
async def a_target(tenant_url: str, token: str = TOKEN) -> AsyncIterator[ScimTarget]:
    target = ScimTarget(settings_for("postgresql://nobody", kind=ScimWriterSettings))
    target.point_at(tenant_url, token)
    try:
        yield target
    finally:
        await target.close()


async def carry_out(
    target: ScimTarget, command: Command, target_id: str | None = None, *, dialect: Dialect = RFC7644, **more: Any
) -> Finish:
    steps = plan(
        Work(command=command, target_id=target_id, **more), Profile(can_delete=True, groups=True, dialect=dialect)
    )
    try:
        request = next(steps)
        while True:
            request = steps.send(judge(request.kind, await target.send(request), NOON, request.endpoint))
    except StopIteration as end:
        finish: Finish = end.value
        assert finish.failure is None or finish.result is not Result.DONE
        return finish


async def held(target: ScimTarget, object_id: str) -> list[dict[str, Any]]:
    matching = MatchingValue(attribute="externalId", value=object_id)
    verdict = judge(requests.Kind.LOOK, await target.send(requests.look(matching)), NOON)
    return hits(verdict.content, matching)


async def test_a_user_is_created_updated_disabled_and_enabled(tenant_url: str) -> None:
    async with a_target(tenant_url) as target:
        created = await carry_out(target, a_command("job", "ann"))
        assert created.result is Result.DONE, created
        (account,) = await held(target, "ann")
        assert account["id"] == created.target_id
        assert differences(a_resource("ann"), account) == {}

        changes = {"title": "Director", DEPARTMENT: "Support", WORK_EMAIL: "a@contoso.example", LOCALITY: "Delft"}
        updated = await carry_out(
            target, an_update("job", "ann", 2, old={}, **changes), created.target_id, written=created.written
        )
        assert updated.result is Result.DONE, updated
        (account,) = await held(target, "ann")
        assert differences(a_resource("ann", **changes), account) == {}

        disabled = await carry_out(target, a_disable("job", "ann", 3), created.target_id)
        assert disabled.result is Result.DONE, disabled
        assert [each["active"] for each in await held(target, "ann")] == [False]
        enabled = await carry_out(
            target, an_update("job", "ann", 4, old={"active": False}, active=True), created.target_id
        )
        assert enabled.result is Result.DONE, enabled
        assert [each["active"] for each in await held(target, "ann")] == [True]


async def test_attributes_are_cleared_and_come_back(tenant_url: str) -> None:
    async with a_target(tenant_url) as target:
        created = await carry_out(target, a_command("job", "ann"))
        cleared = dict.fromkeys([WORK_EMAIL, LOCALITY, "title", DEPARTMENT, "name.givenName"])
        gone = await carry_out(target, an_update("job", "ann", 2, old=a_resource("ann"), **cleared), created.target_id)
        assert gone.result is Result.DONE, gone
        (account,) = await held(target, "ann")
        assert differences(cleared, account) == {}
        values = {path: value for path, value in a_resource("ann").items() if path in cleared}
        back = await carry_out(
            target, an_update("job", "ann", 3, old={}, **values), created.target_id, written=gone.written
        )
        assert back.result is Result.DONE, back
        (account,) = await held(target, "ann")
        assert differences(a_resource("ann"), account) == {}


async def test_an_existing_account_is_adopted(tenant_url: str) -> None:
    async with a_target(tenant_url) as target:
        first = await carry_out(
            target, a_command("job", "ann", resource={"externalId": "ann", "userName": "ann@contoso.example"})
        )
        adopted = await carry_out(target, a_command("job", "ann"))
        assert (adopted.result, adopted.target_id) == (Result.ADOPTED, first.target_id)
        (account,) = await held(target, "ann")
        assert differences(a_resource("ann"), account) == {}
        again = await carry_out(target, a_command("job", "ann"))
        assert (again.result, again.modified) == (Result.ADOPTED, ())


@pytest.mark.parametrize(
    "name", ['quo"te', "back\\slash", "a&b=c+d%20#e?f", "späce and ünïcode", "semi;colon/slash", "(x) or (y)"]
)
async def test_matching_values_with_special_characters_find_their_account(tenant_url: str, name: str) -> None:
    async with a_target(tenant_url) as target:
        created = await carry_out(
            target, a_command("job", name, values={"userName": "u@contoso.example", WORK_EMAIL: "u@contoso.example"})
        )
        assert created.result is Result.DONE, created
        assert [account["id"] for account in await held(target, name)] == [created.target_id]


async def test_conflicts_missing_accounts_and_bad_tokens_are_understood(tenant_url: str) -> None:
    async with a_target(tenant_url) as target:
        await carry_out(target, a_command("job", "ann"))
        double = await carry_out(target, a_command("job", "bob", values={"userName": "ann@contoso.example"}))
        assert double.failure is not None
        assert (double.result, double.failure.code) == (Result.FAILED, Code.CONFLICT)

        lost = await carry_out(target, an_update("job", "cy", 2, old={}, title="Director"), "no-such-id")
        assert lost.result is Result.DONE
        assert Code.INVALID_ANCHOR in lost.steps[0].description
        assert len(await held(target, "cy")) == 1
        absent = await carry_out(target, a_disable("job", "dee", 2), "no-such-id")
        assert (absent.result, absent.target_id) == (Result.DONE, None)
    async with a_target(tenant_url, token="another-not-real-token") as target:
        denied = await carry_out(target, a_command("job", "eve"))
        assert denied.result is Result.STOP


async def held_group(target: ScimTarget, target_id: str | None) -> dict[str, Any] | None:
    """The group with its members, as the server shows it; None when it is not there."""
    assert target_id is not None
    asked = requests.ScimRequest(kind=requests.Kind.READ, method="GET", path=f"/Groups/{target_id}")
    verdict = judge(requests.Kind.READ, await target.send(asked), NOON)
    return verdict.content if verdict.outcome is Result.DONE else None


# A remove with an array of members, as Entra words it without the flag, is no RFC 7644: this server rightly refuses it.
@pytest.mark.parametrize("dialect", [RFC7644, ENTRA_062020], ids=lambda dialect: dialect.name)
async def test_a_group_is_created_filled_renamed_emptied_and_deleted(tenant_url: str, dialect: Dialect) -> None:
    async with a_target(tenant_url) as target:
        users = [await carry_out(target, a_command("job", name)) for name in ("ann", "bob", "cy")]
        ids = [user.target_id or "" for user in users]
        created = await carry_out(target, a_group_command(), dialect=dialect)
        assert created.result is Result.DONE, created
        group_id = created.target_id
        adopted = await carry_out(target, a_group_command(), dialect=dialect)
        assert (adopted.result, adopted.target_id) == (Result.ADOPTED, group_id)

        async def members(operation: Operation, who: list[str]) -> set[str]:
            finish = await carry_out(target, a_member_command(operation, who), group_id, dialect=dialect)
            assert (finish.result, finish.refused_members) == (Result.DONE, ()), finish
            shown = await held_group(target, group_id)
            assert shown is not None
            return {each["value"] for each in shown.get("members", [])}

        assert await members(Operation.ADD_MEMBERS, ids) == set(ids)
        assert await members(Operation.ADD_MEMBERS, ids[:1]) == set(ids), "a repeat is harmless"
        assert await members(Operation.REMOVE_MEMBERS, ids[:2]) == set(ids[2:])
        assert await members(Operation.REMOVE_MEMBERS, ids[:2]) == set(ids[2:]), "a repeat is harmless"

        renamed = await carry_out(target, a_rename(NAME, "Sales"), group_id, dialect=dialect)
        assert renamed.result is Result.DONE, renamed
        shown = await held_group(target, group_id)
        assert shown is not None
        assert shown["displayName"] == "Sales"
        for _ in range(2):
            deleted = await carry_out(target, a_group_command(operation=Operation.DELETE), group_id)
            assert (deleted.result, deleted.target_id) == (Result.DONE, None)
        assert await held_group(target, group_id) is None
        lost = await carry_out(target, a_member_command(Operation.ADD_MEMBERS, ids), group_id, dialect=dialect)
        assert lost.failure is not None
        assert (lost.result, lost.failure.code) == (Result.FAILED, Code.INVALID_ANCHOR)


@pytest.mark.parametrize("dialect", [RFC7644, ENTRA, ENTRA_062020], ids=lambda dialect: dialect.name)
async def test_a_manager_is_written_and_removed(tenant_url: str, dialect: Dialect) -> None:
    async with a_target(tenant_url) as target:
        ann, bob = [await carry_out(target, a_command("job", name)) for name in ("ann", "bob")]
        for manager in (bob.target_id, None):
            command = an_update("job", "ann", 2, old={}, **{MANAGER: manager})
            written = await carry_out(target, command, ann.target_id, dialect=dialect)
            assert written.result is Result.DONE, written
            (account,) = await held(target, "ann")
            assert differences({MANAGER: manager}, account) == {}
