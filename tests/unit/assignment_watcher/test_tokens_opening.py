"""Which credential a job uses, by which way; and that a credential never goes to a host that the job does not name."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from services.assignment_watcher.graph.retries import Patience
from services.assignment_watcher.graph.tokens.credentials import ClientSecret
from services.assignment_watcher.graph.tokens.opening import open_tokens
from services.assignment_watcher.graph.tokens.provider import KeptTokens
from services.assignment_watcher.graph.tokens.through_msal import MsalTokenRequest
from services.assignment_watcher.sources.source import SourceError
from shared.contracts.job import MicrosoftGraphSource
from shared.runtime.http import Answer, HttpClient
from tests.support.certificates import a_certificate, a_federated_token, rsa_key

PATIENCE = Patience(tries=2, seconds=5, first_wait_seconds=0.001)
LOGIN = "https://login.microsoftonline.com"
SECRET = "not-a-real-secret"


class Login:
    """A login root that says where its token endpoint is, and remembers what was sent to it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.sent: list[tuple[str, str]] = []

    async def request(self, method: str, url: str, **more: Any) -> Answer:
        self.sent.append((method, url))
        content: dict[str, Any] = {"access_token": "not-a-real-token", "expires_in": 3600, "token_type": "Bearer"}
        if method == "GET":
            base = self.endpoint.rpartition("/oauth2")[0]
            content = {"token_endpoint": self.endpoint, "authorization_endpoint": f"{base}/authorize", "issuer": base}
        return Answer(status=200, headers={}, body=orjson.dumps(content), duration_ms=1)


def a_source(login_root: str = LOGIN, **more: Any) -> MicrosoftGraphSource:
    return MicrosoftGraphSource(
        tenant_id="tenant-1", client_id="client-1", service_principal_id="sp-1", login_root=login_root, **more
    )


@pytest.mark.parametrize(
    ("root", "endpoint", "good"),
    [
        (LOGIN, f"{LOGIN}/tenant-1/oauth2/v2.0/token", True),
        ("https://login.chinacloudapi.cn", "https://login.partner.microsoftonline.cn/t/oauth2/v2.0/token", True),
        (LOGIN, "https://login.evil.example/t/oauth2/v2.0/token", False),
        (LOGIN, "http://login.microsoftonline.com/t/oauth2/v2.0/token", False),
        (LOGIN, "https://login.microsoftonline.us/t/oauth2/v2.0/token", False),
        ("https://login.example", "https://login.microsoftonline.com/t/oauth2/v2.0/token", False),
    ],
)
async def test_i9_a_token_endpoint_at_another_host_gets_no_credential(root: str, endpoint: str, good: bool) -> None:
    login: Any = Login(endpoint)
    tokens = KeptTokens(MsalTokenRequest(a_source(root), ClientSecret(SECRET), http=login), patience=PATIENCE)
    if good:
        assert await tokens.token() == "not-a-real-token"
        assert login.sent == [("GET", f"{root}/tenant-1/v2.0/.well-known/openid-configuration"), ("POST", endpoint)]
    else:
        # A plain http endpoint MSAL refuses by itself, without a word of why.
        with pytest.raises(SourceError, match="another host" if endpoint.startswith("https") else "without a token"):
            await tokens.token()
        assert {method for method, _ in login.sent} == {"GET"}


def opened(source: MicrosoftGraphSource, http: HttpClient, **secrets: str) -> Any:
    frame: Any = SimpleNamespace(secrets=SimpleNamespace(decrypt=lambda text, *, job_id, field: text))
    job: Any = SimpleNamespace(job_id="job-1", secrets=secrets)
    return open_tokens(frame, job, source, http=http, patience=PATIENCE)


async def reason(tokens: Any) -> str:
    with pytest.raises(SourceError) as caught:
        await tokens.token()
    return f"{caught.value} {caught.value.failure.advice}"


async def test_a_credential_that_is_missing_is_named() -> None:
    http: Any = Login("")
    assert "the job has no client secret Save it as clientSecret" in await reason(opened(a_source(), http))
    certificate = a_source(credential="clientCertificate")
    assert "no client certificate" in await reason(opened(certificate, http, clientSecret=SECRET))
    bad = opened(certificate, http, clientCertificate=a_certificate().certificate)
    assert "not a certificate with its private key" in await reason(bad)
    workload = a_source(credential="workloadIdentity")
    assert "AZURE_FEDERATED_TOKEN_FILE is not set" in await reason(opened(workload, http))
    assert http.sent == []


async def test_each_credential_is_opened_as_the_job_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    http: Any = Login(f"{LOGIN}/tenant-1/oauth2/v2.0/token")
    file = tmp_path / "token"
    file.write_text(a_federated_token(rsa_key()))
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(file))
    assert await opened(a_source(), http, clientSecret=SECRET, clientSecretExpiresAt="soon").token()
    pair = a_certificate()
    assert await opened(a_source(credential="clientCertificate"), http, clientCertificate=pair.together).token()
    assert await opened(a_source(credential="workloadIdentity"), http).token()
    assert len(http.sent) == 6


async def test_plain_http_is_taken_for_this_machine_only_and_only_when_allowed() -> None:
    for root, allowed in (("http://127.0.0.1:9", False), ("http://login.example", True)):
        http = HttpClient("microsoft-graph", allow_insecure_loopback=allowed)
        try:
            assert "must be https" in await reason(opened(a_source(root), http, clientSecret=SECRET))
        finally:
            await http.close()
