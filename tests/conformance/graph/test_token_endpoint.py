"""The token endpoint with secrets, certificates and identities of other issuers, and over TLS."""

import ssl
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulators.graph.server import start
from tests.conformance.graph import assertions
from tests.conformance.graph.assertions import signed
from tests.conformance.graph.client import Answer, Graph

KEY, OTHER = assertions.new_key(), assertions.new_key()
CERTIFICATE = assertions.certificate(KEY)


async def ask(graph: Graph, assertion: str) -> Answer:
    return await graph.ask_token(client_secret=None, client_assertion_type=assertions.TYPE, client_assertion=assertion)


def claims(graph: Graph, **changes: Any) -> dict[str, Any]:
    client = graph.config["clientId"]
    endpoint = f"{graph.root}/{graph.config['tenantId']}/oauth2/v2.0/token"
    now = time.time()
    return {"aud": endpoint, "iss": client, "sub": client, "jti": "one", "nbf": now, "exp": now + 300, **changes}


async def test_an_expired_secret_is_told_apart_from_a_wrong_one(graph: Graph) -> None:
    await graph.sim("POST", "credentials", {"kind": "secret", "secret": "second", "expiresAt": time.time() + 100})
    assert (await graph.ask_token(client_secret="second")).status == 200
    await graph.sim("POST", "clock/advance", {"seconds": 101})
    answer = await graph.ask_token(client_secret="second")
    assert (answer.status, answer.body["error_codes"]) == (401, [7000222])
    assert (await graph.ask_token(client_secret="third")).body["error_codes"] == [7000215]


async def test_a_registered_certificate_opens_and_its_assertion_only_once(graph: Graph) -> None:
    await graph.sim("POST", "credentials", {"kind": "certificate", "certificate": assertions.pem(CERTIFICATE)})
    header = {"x5t#S256": assertions.thumbprint(CERTIFICATE)}
    good = signed(KEY, claims(graph), **header)
    assert (await ask(graph, good)).status == 200
    assert (await ask(graph, good)).body["error_codes"] == [50013]
    for number, assertion in (
        (700027, signed(OTHER, claims(graph, jti="2"), **header)),
        (700027, signed(KEY, claims(graph, jti="2"), **{"x5t#S256": "bm90aGluZw"})),
        (700027, signed(KEY, claims(graph, jti="2"), **header, alg="none")),
        (700023, signed(KEY, claims(graph, jti="2", aud="https://elsewhere.example"), **header)),
        (700024, signed(KEY, claims(graph, jti="2", exp=time.time() - 1), **header)),
        (700024, signed(KEY, claims(graph, jti="2", nbf=time.time() + 900), **header)),
        (700021, signed(KEY, claims(graph, jti="2", sub="other"), **header)),
        (50027, "no.jwt"),
    ):
        answer = await ask(graph, assertion)
        assert (answer.status, answer.body["error_codes"]) == (401, [number])
    assert (await ask(graph, signed(KEY, claims(graph, jti="2"), **header))).status == 200


async def test_a_federated_identity_opens_when_issuer_subject_and_audience_fit(graph: Graph) -> None:
    who = {"issuer": "https://cluster.example", "subject": "system:serviceaccount:a:b", "audience": "api://exchange"}
    await graph.sim("POST", "credentials", {"kind": "federated", **who, "key": assertions.public_pem(KEY)})
    fits = {"iss": who["issuer"], "sub": who["subject"], "aud": [who["audience"]], "exp": time.time() + 300}
    assert [(await ask(graph, signed(KEY, fits))).status for _ in range(2)] == [200, 200]
    for number, key, changes in (
        (700211, KEY, {"iss": "https://other.example"}),
        (700213, KEY, {"sub": "system:serviceaccount:a:c"}),
        (700212, KEY, {"aud": "api://other"}),
        (700024, KEY, {"exp": time.time() - 1}),
        (700027, OTHER, {}),
    ):
        assert (await ask(graph, signed(key, fits | changes))).body["error_codes"] == [number]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "password"}, "kind"),
        ({"kind": "secret"}, "secret"),
        ({"kind": "secret", "secret": "x", "stray": 1}, "stray"),
        ({"kind": "secret", "secret": "x", "expiresAt": "soon"}, "expiresAt"),
        ({"kind": "certificate", "certificate": "x"}, "certificate"),
        ({"kind": "federated", "issuer": "i", "subject": "s", "audience": "a", "key": "x"}, "key"),
    ],
)
async def test_a_bad_credential_is_refused_by_the_name_of_the_field(graph: Graph, body: Any, field: str) -> None:
    answer = await graph.call("POST", "/_sim/credentials", json=body)
    assert (answer.status, answer.body["error"]["field"]) == (400, field)


async def test_discovery_knows_its_tenant_only(graph: Graph) -> None:
    where = "v2.0/.well-known/openid-configuration"
    found = (await graph.call("GET", f"/{graph.config['tenantId']}/{where}")).body
    assert found["token_endpoint"] == f"{graph.root}/{graph.config['tenantId']}/oauth2/v2.0/token"
    assert {"issuer", "authorization_endpoint"} <= set(found)
    unknown = await graph.call("GET", f"/0a0a0a0a-0000-4000-8000-000000000009/{where}")
    assert (unknown.status, unknown.body["error_codes"]) == (400, [90002])


async def test_over_tls_it_is_trusted_by_the_authority_it_wrote_and_by_no_other(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    simulator = await start(users=1, tls_ca_file=authority)
    try:
        trust = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(authority)))
        async with aiohttp.ClientSession(connector=trust) as http:
            client = Graph(simulator.url, http)
            assert client.root.startswith("https://")
            client.config = await client.sim("GET", "config")
            await client.authenticate()
            page = await client.get("/v1.0/users?$top=1")
            assert page.status == 200
            assert len(page.rows) == 1
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await Graph(simulator.url, http).sim("GET", "config")
    finally:
        await simulator.close()
