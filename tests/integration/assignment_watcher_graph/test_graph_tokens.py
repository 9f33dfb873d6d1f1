"""Who the application is: secret, certificate and federated token, through the plain request and through MSAL over TLS."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.assignment_watcher.graph.tokens.credentials import (
    ClientCertificate,
    ClientSecret,
    Credential,
    FederatedToken,
)
from services.assignment_watcher.graph.tokens.plain import PlainTokenRequest
from services.assignment_watcher.graph.tokens.provider import KeptTokens
from services.assignment_watcher.graph.tokens.through_msal import MsalTokenRequest
from services.assignment_watcher.sources.source import (
    SourceError,
    SourceMisconfiguredError,
    SourceRefusedError,
    SourceUnavailableError,
)
from tests.support.certificates import (
    AUDIENCE,
    ISSUER,
    SUBJECT,
    a_certificate,
    a_federated_token,
    public_pem,
    rsa_key,
)
from tests.support.graph_sources import PATIENCE, RecordingHttp, a_definition
from tests.support.graph_tenants import Tenant, a_graph_tenant

WAYS = ("plain", "msal")


class Asking:
    """Tokens of one tenant by one way, with whatever credential."""

    def __init__(self, tenant: Tenant, http: RecordingHttp, way: type[PlainTokenRequest | MsalTokenRequest]) -> None:
        self.tenant, self.http, self.way = tenant, http, way

    def tokens(
        self, credential: Credential | None = None, *, expires: datetime | None = None, **changes: Any
    ) -> KeptTokens:
        credential = credential or ClientSecret(self.tenant.config["clientSecret"])
        request = self.way(a_definition(self.tenant, **changes), credential, http=self.http)
        return KeptTokens(request, patience=PATIENCE, secret_expires=expires)


@pytest.fixture(params=WAYS)
async def asking(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Asking]:
    authority = tmp_path / "authority.pem"
    through_msal = request.param == "msal"
    async with a_graph_tenant(tls_ca_file=authority if through_msal else None) as tenant:
        http = RecordingHttp(ssl.create_default_context(cafile=str(authority)) if through_msal else None)
        try:
            yield Asking(tenant, http, MsalTokenRequest if through_msal else PlainTokenRequest)
        finally:
            await http.close()


def a_federated(tmp_path: Path, **more: Any) -> FederatedToken:
    file = tmp_path / "federated-token"
    file.write_text(a_federated_token(rsa_key(1), **more))
    return FederatedToken(file)


async def test_a_secret_a_certificate_and_a_federated_token_all_give_a_token(asking: Asking, tmp_path: Path) -> None:
    pair = a_certificate()
    await asking.tenant.ask("POST", "/_sim/credentials", {"kind": "certificate", "certificate": pair.certificate})
    federated = {"issuer": ISSUER, "subject": SUBJECT, "audience": AUDIENCE, "key": public_pem(rsa_key(1))}
    await asking.tenant.ask("POST", "/_sim/credentials", {"kind": "federated"} | federated)
    credentials: list[Credential] = [
        ClientSecret(asking.tenant.config["clientSecret"]),
        ClientCertificate.from_pem(pair.together, datetime.now(UTC)),
        a_federated(tmp_path),
    ]
    for credential in credentials:
        tokens = asking.tokens(credential)
        first = await tokens.token()
        assert await tokens.token() == first, "it is kept"
        tokens.forget()
        assert await tokens.token() != first, "a certificate signs a new assertion each time"


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"tenant_id": "00000000-0000-4000-8000-000000000001"}, SourceMisconfiguredError, "the tenant does not exist"),
        ({"client_id": "00000000-0000-4000-8000-000000000001"}, SourceRefusedError, "client id is not known"),
        ({"graph_root": "https://graph.example"}, SourceMisconfiguredError, "the scope is not valid"),
    ],
)
async def test_what_the_job_names_wrongly_is_named(
    asking: Asking, changes: dict[str, str], error: type[SourceError], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        await asking.tokens(**changes).token()
    assert "source." in caught.value.failure.advice


async def test_a_wrong_and_an_expired_secret_are_told_apart(asking: Asking) -> None:
    with pytest.raises(SourceRefusedError, match="the client secret is wrong"):
        await asking.tokens(ClientSecret("not-a-real-secret")).token()
    expired = datetime(2026, 2, 14, tzinfo=UTC)
    more = {"kind": "secret", "secret": "not-a-real-secret-either", "expiresAt": expired.timestamp()}
    await asking.tenant.ask("POST", "/_sim/credentials", more)
    with pytest.raises(SourceRefusedError, match="the client secret has expired, on 2026-02-14"):
        await asking.tokens(ClientSecret("not-a-real-secret-either"), expires=expired).token()


async def test_a_certificate_or_identity_that_is_not_registered_is_refused(asking: Asking, tmp_path: Path) -> None:
    unknown = ClientCertificate.from_pem(a_certificate(key=rsa_key(2)).together, datetime.now(UTC))
    with pytest.raises(SourceRefusedError, match="certificate is not known to the app registration"):
        await asking.tokens(unknown).token()
    federated = {"issuer": ISSUER, "subject": SUBJECT, "audience": AUDIENCE, "key": public_pem(rsa_key(1))}
    await asking.tenant.ask("POST", "/_sim/credentials", {"kind": "federated"} | federated)
    for field in ("issuer", "subject", "audience"):
        with pytest.raises(SourceRefusedError, match=f"has the {field} of the token"):
            await asking.tokens(a_federated(tmp_path, **{field: "https://other.example"})).token()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 500},
        {"kind": "throttle", "retryAfter": "1"},
        {"kind": "truncate", "whole": True},
        {"kind": "html502"},
        {"kind": "reset", "times": 3},
    ],
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
async def test_a_login_root_in_trouble_is_asked_again(asking: Asking, fault: dict[str, Any]) -> None:
    tokens = asking.tokens()
    await asking.tenant.fault("oauth2/v2.0/token", **fault)
    assert await tokens.token()
    assert (await asking.tenant.requests())["token"] >= 2


async def test_a_login_root_that_never_answers_well_is_unavailable_and_not_a_refusal(asking: Asking) -> None:
    await asking.tenant.fault("oauth2/v2.0/token", "status", status=503, times=None)
    with pytest.raises(SourceUnavailableError, match="the token endpoint answered 503 without a token; tried 4 times"):
        await asking.tokens().token()


async def test_a_missing_permission_is_named_before_anything_is_read(asking: Asking) -> None:
    await asking.tenant.knobs(permissions=["Application.Read.All", "GroupMember.Read.All"])
    tokens = asking.tokens()
    with pytest.raises(SourceRefusedError, match=r"lacks the permission User\.Read\.All") as caught:
        await tokens.token()
    assert "grant admin consent" in caught.value.failure.advice
    await asking.tenant.knobs(permissions=["Directory.Read.All"])
    assert await tokens.token(), "a permission that was granted is seen at the next try"


async def test_i9_the_secret_goes_to_the_login_root_alone_and_into_no_log(
    asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    secret = asking.tenant.config["clientSecret"]
    said = []
    with capture_logs() as logs:
        for wrong in (secret + "x", secret):
            try:
                token = await asking.tokens(ClientSecret(wrong)).token()
            except SourceError as error:
                said.append(repr(error) + error.failure.model_dump_json())
    assert len(said) == 1
    assert secret not in repr(logs) + repr(said) + caplog.text
    assert token not in repr(logs) + caplog.text
    assert all(url.startswith(asking.tenant.url) for _, url, _, _ in asking.http.sent)


async def test_the_claims_of_a_challenge_are_asked_for(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[bytes] = []
    send = asking.http.request

    async def watch(method: str, url: str, **more: Any) -> Any:
        bodies.append(more.get("body") or b"")
        return await send(method, url, **more)

    monkeypatch.setattr(asking.http, "request", watch)
    tokens = asking.tokens()
    await tokens.token()
    assert b"claims" not in bodies[-1]
    tokens.forget('{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}')
    await tokens.token()
    assert b"claims=%7B%22access_token%22" in bodies[-1]
    tokens.forget()
    await tokens.token()
    assert b"claims" not in bodies[-1]
