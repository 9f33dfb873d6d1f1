"""Microsoft's own client and credential read the simulated tenant over TLS, knowing nothing but its two roots."""

import asyncio
import json
import ssl
import sys
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from azure.identity import CertificateCredential
from azure.identity.aio import ClientSecretCredential
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.conformance.graph import assertions
from tests.conformance.graph.client import Graph

with warnings.catch_warnings():
    # The client warns about parts of itself while it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
    from msgraph.generated.groups.delta.delta_request_builder import DeltaRequestBuilder as GroupsDelta
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    from msgraph.generated.service_principals.item.app_role_assigned_to.app_role_assigned_to_request_builder import (
        AppRoleAssignedToRequestBuilder as AssignedTo,
    )
    from msgraph.generated.users.delta.delta_request_builder import DeltaRequestBuilder as UsersDelta
    from msgraph.generated.users.users_request_builder import UsersRequestBuilder as Users
    from msgraph.graph_request_adapter import GraphRequestAdapter, options
    from msgraph.graph_service_client import GraphServiceClient
    from msgraph_core import GraphClientFactory
    from msgraph_core.requests.batch_request_content import BatchRequestContent
    from msgraph_core.requests.batch_request_item import BatchRequestItem
    from msgraph_core.tasks.page_iterator import PageIterator

EVERYBODY = 130
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@dataclass(slots=True)
class Tenant:
    """The tenant by its control plane, and by Microsoft's client."""

    plain: Graph
    authority: Path
    sdk: GraphServiceClient = field(init=False)

    def credential(self, kind: Any, **proof: Any) -> Any:
        config = self.plain.config
        settings = {
            "authority": self.plain.root,
            "disable_instance_discovery": True,
            "connection_verify": str(self.authority),
        }
        return kind(config["tenantId"], config["clientId"], **proof, **settings)


@pytest.fixture
async def tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tenant]:
    # requests, below azure-identity, prefers this variable to the authority that it was told to trust.
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    authority = tmp_path / "ca.pem"
    command = ["-m", "simulators.graph", "--tls", str(authority), "--users", str(EVERYBODY), "--groups", "3"]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    root = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))["url"]
    trust = ssl.create_default_context(cafile=str(authority))
    # The client puts itself before the transport and does not close it.
    transport = httpx.AsyncHTTPTransport(verify=trust)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session,
            transport,
            httpx.AsyncClient(transport=transport, timeout=20) as http,
        ):
            plain = Graph(root, session)
            plain.config = await plain.sim("GET", "config")
            await plain.sim("POST", "knobs", {"pageSize": 50})
            made = Tenant(plain, authority)
            async with made.credential(ClientSecretCredential, client_secret=plain.config["clientSecret"]) as secret:
                made.sdk = client(root, secret, http)
                yield made
    finally:
        process.terminate()
        await process.communicate()


def client(root: str, credential: ClientSecretCredential, http: httpx.AsyncClient) -> GraphServiceClient:
    login = AzureIdentityAuthenticationProvider(credential, scopes=[f"{root}/.default"], allowed_hosts=["127.0.0.1"])
    adapter = GraphRequestAdapter(
        login, GraphClientFactory.create_with_default_middleware(client=http, options=options)
    )
    adapter.base_url = f"{root}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


async def test_service_principal_assignments_and_users_are_read_page_by_page(tenant: Tenant) -> None:
    plain, sdk = tenant.plain, tenant.sdk
    users = [user["id"] for user in (await plain.sim("GET", f"users?limit={EVERYBODY}"))["users"]]
    for user in users[:5]:
        await plain.assign("User", user)
    principal = sdk.service_principals.by_service_principal_id(plain.config["servicePrincipalId"])
    found = await principal.get()
    assert found is not None
    assert [(str(role.id), role.value) for role in found.app_roles or []] == [(plain.config["userRoleId"], "User")]
    query = AssignedTo.AppRoleAssignedToRequestBuilderGetQueryParameters(top=2)
    config = AssignedTo.AppRoleAssignedToRequestBuilderGetRequestConfiguration(query_parameters=query)
    first = await principal.app_role_assigned_to.get(request_configuration=config)
    rows: list[Any] = []
    await PageIterator(first, sdk.request_adapter).iterate(lambda row: rows.append(row) or True)
    assert [(str(row.principal_id), row.principal_type) for row in rows] == [(user, "User") for user in users[:5]]
    everybody = Users.UsersRequestBuilderGetQueryParameters(top=50, select=["id", "displayName"])
    page = await sdk.users.get(
        request_configuration=Users.UsersRequestBuilderGetRequestConfiguration(query_parameters=everybody)
    )
    listed: list[Any] = []
    await PageIterator(page, sdk.request_adapter).iterate(lambda user: listed.append(user.id) or True)
    assert listed == users


async def test_delta_rounds_of_users_and_groups_tell_changes_and_removals(tenant: Tenant) -> None:
    plain, sdk = tenant.plain, tenant.sdk
    selected = UsersDelta.DeltaRequestBuilderGetQueryParameters(select=["displayName"])
    users = await sdk.users.delta.get(UsersDelta.DeltaRequestBuilderGetRequestConfiguration(query_parameters=selected))
    count = 0
    while users is not None:
        count += len(users.value or [])
        if users.odata_next_link is None:
            break
        users = await sdk.users.delta.with_url(users.odata_next_link).get()
    assert count == EVERYBODY
    assert users is not None
    wanted = GroupsDelta.DeltaRequestBuilderGetQueryParameters(select=["displayName", "members"])
    groups = await sdk.groups.delta.get(GroupsDelta.DeltaRequestBuilderGetRequestConfiguration(query_parameters=wanted))
    assert groups is not None
    assert sum(len((group.additional_data or {}).get("members@delta", [])) for group in groups.value or []) > 100
    group = (groups.value or [])[0]
    member = str(group.additional_data["members@delta"][0]["id"])
    other = (await plain.sim("GET", "users?limit=1"))["users"][0]["id"]
    await plain.tx(
        {"op": "removeMember", "groupId": group.id, "userId": member}, {"op": "softDeleteUser", "userId": other}
    )
    changed = await sdk.users.delta.with_url(users.odata_delta_link).get()
    assert changed is not None
    assert [(user.id, user.additional_data["@removed"]["reason"]) for user in changed.value] == [(other, "changed")]
    regrouped = await sdk.groups.delta.with_url(groups.odata_delta_link).get()
    assert regrouped is not None
    (edge,) = regrouped.value[0].additional_data["members@delta"]
    assert (str(edge["id"]), edge["@removed"]) == (member, {"reason": "deleted"})


async def test_batch_deleted_items_and_errors_are_understood(tenant: Tenant) -> None:
    plain, sdk = tenant.plain, tenant.sdk
    one, two = (user["id"] for user in (await plain.sim("GET", "users?limit=2"))["users"])
    await plain.tx({"op": "softDeleteUser", "userId": two})
    asked = BatchRequestContent()
    names = []
    for user in (one, two):
        item = BatchRequestItem(sdk.users.by_user_id(user).to_get_request_information())
        names.append(item.id)
        asked.add_request(item.id, item)
    answers = await sdk.batch.post(asked)
    statuses = {name: answers.get_response_by_id(name).status for name in names}
    assert statuses == {names[0]: 200, names[1]: 404}
    deleted = await sdk.directory.deleted_items.graph_user.get()
    assert deleted is not None
    assert [user.id for user in deleted.value or []] == [two]
    with pytest.raises(ODataError) as refused:
        await sdk.users.by_user_id(two).get()
    assert refused.value.error is not None
    assert refused.value.error.code == "Request_ResourceNotFound"


async def test_a_certificate_opens_the_tenant_to_the_library_of_microsoft(tenant: Tenant) -> None:
    key = assertions.new_key()
    made = assertions.certificate(key)
    await tenant.plain.sim("POST", "credentials", {"kind": "certificate", "certificate": assertions.pem(made)})
    both = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + assertions.pem(made).encode()
    with tenant.credential(CertificateCredential, certificate_data=both) as credential:
        # It blocks.
        token = await asyncio.to_thread(credential.get_token, f"{tenant.plain.root}/.default")
    tenant.plain.token = token.token
    assert (await tenant.plain.get("/v1.0/users?$top=1")).status == 200
