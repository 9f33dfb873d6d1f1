"""Credentials by kind of source: certificates and dates that are saved, what a job needs, and what Test Connection can honestly say."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from services.console.client_certificate import read_certificate
from shared.contracts.control import JobRecord
from tests.support.builders_console import DEFINITION, Console, Reply, running_console
from tests.support.builders_source import pem_certificate, pem_key, rsa_key

CERTIFICATE_PEM = pem_certificate()
PEM = CERTIFICATE_PEM + pem_key()
THUMBPRINT = read_certificate(PEM).thumbprint
GRAPH = DEFINITION["source"]
CERTIFICATE = {"source": GRAPH | {"credential": "clientCertificate"}}
WORKLOAD = {"source": GRAPH | {"credential": "workloadIdentity"}}
SNAPSHOT = {"source": {"kind": "snapshot", "path": "people/today.csv"}}
TOKEN = {"secretToken": "not-a-real-token"}


async def put(console: Console, job: str, **secrets: Any) -> Reply:
    return await console.call("PUT", f"/api/v1/jobs/{job}/secrets", secrets)


async def newest_record(console: Console) -> JobRecord:
    rows = await console.rows("SELECT payload FROM outbox WHERE topic = $1 ORDER BY id DESC LIMIT 1", JobRecord.topic)
    return JobRecord.model_validate_json(rows[0]["payload"])


async def test_a_certificate_is_saved_encrypted_and_shown_by_thumbprint_and_expiry(console: Console) -> None:
    job = await console.new_job(**CERTIFICATE)
    reply = await put(
        console, job, clientCertificate=f"\n{pem_key()}{pem_certificate(rsa_key(2048, 1))}{CERTIFICATE_PEM}\n"
    )
    shown = reply.json["secrets"]["clientCertificate"]
    assert (shown["set"], shown["thumbprint"]) == (True, THUMBPRINT)
    assert timedelta(days=29) < datetime.fromisoformat(shown["expiresAt"]) - datetime.now(UTC) < timedelta(days=31)
    assert "PRIVATE" not in reply.text + str(await console.rows("SELECT t::text FROM job_definition t"))
    sealed = (await newest_record(console)).secrets["clientCertificate"]
    assert console.frame.secrets.decrypt(sealed, job_id=job, field="clientCertificate") == PEM
    assert (await put(console, job, clientCertificate=None)).json["secrets"]["clientCertificate"]["set"] is False


async def test_what_is_no_certificate_is_refused_by_name_and_never_repeated(console: Console) -> None:
    job = await console.new_job(**CERTIFICATE)
    expired = pem_certificate(days=-1) + pem_key()
    foreign = pem_certificate() + pem_key(rsa_key(2048, 1))
    for text, words in (
        ("canary", "no certificate"),
        (expired, "expired"),
        (foreign, "belongs to none"),
        ("", "no certificate"),
    ):
        for path, method in (("secrets", "PUT"), ("validateCredentials", "POST")):
            reply = await console.call(method, f"/api/v1/jobs/{job}/{path}", {"clientCertificate": text})
            assert reply.status == 422
            ((field, message),) = [(error["field"], error["message"]) for error in reply.json["errors"]]
            assert (field, words in message) == ("clientCertificate", True)
            assert "canary" not in reply.text
            assert "BEGIN CERTIFICATE-----\n" not in reply.text
            assert text[40:80] == "" or text[40:80] not in reply.text
    assert (await newest_record(console)).sequence == 1


async def test_the_date_of_a_client_secret_is_shown_and_told_and_belongs_to_that_secret_only(console: Console) -> None:
    job = await console.new_job()
    date = "2027-05-01T00:00:00+00:00"

    async def told() -> str | None:
        sealed = (await newest_record(console)).secrets.get("clientSecretExpiresAt")
        return sealed and console.frame.secrets.decrypt(sealed, job_id=job, field="clientSecretExpiresAt")

    saved = await put(console, job, clientSecret="not-a-real-secret", clientSecretExpiresAt=date)
    assert saved.json["secrets"]["clientSecret"]["expiresAt"] == date
    assert set(saved.json["secrets"]) == {"secretToken", "clientSecret", "clientCertificate"}
    assert await told() == date
    renewed = await put(console, job, clientSecret="another-not-a-real-one")
    assert renewed.json["secrets"]["clientSecret"]["expiresAt"] is None
    assert await told() is None
    await put(console, job, clientSecretExpiresAt=date)
    assert await told() == date
    await put(console, job, clientSecretExpiresAt=None)
    assert await told() is None
    await put(console, job, clientSecret="x", clientSecretExpiresAt=date)
    await put(console, job, clientSecret=None)
    assert (await newest_record(console)).secrets == {}
    wrong = await put(console, job, clientSecretExpiresAt="canary")
    assert (wrong.status, wrong.json["errors"][0]["field"]) == (422, "clientSecretExpiresAt")


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ({}, ["secretToken", "clientSecret"]),
        (CERTIFICATE, ["secretToken", "clientCertificate"]),
        (WORKLOAD, ["secretToken"]),
        (SNAPSHOT, ["secretToken"]),
    ],
)
async def test_what_a_job_needs_follows_from_its_source(
    console: Console, source: dict[str, Any], needed: list[str]
) -> None:
    job = await console.new_job(**source)
    assert (await console.call("GET", f"/api/v1/jobs/{job}")).json["status"]["missingSecrets"] == needed
    early = await console.call("POST", f"/api/v1/jobs/{job}/start")
    assert (early.status, " and ".join(needed) in early.json["detail"]) == (409, True)
    every = {"secretToken": "x", "clientSecret": "x", "clientCertificate": PEM}
    await put(console, job, **{name: every[name] for name in needed})
    assert (await console.call("POST", f"/api/v1/jobs/{job}/start")).status == 200


BAD_SOURCES: list[tuple[Any, str]] = [
    ({"kind": "canary"}, "source.kind"),
    ({"kind": None, "path": "x"}, "source.kind"),
    ("canary", "source"),
    ({"kind": "snapshot"}, "source.path"),
    ({"kind": "snapshot", "path": "/etc/canary"}, "source.path"),
    ({"kind": "snapshot", "path": "a/../../canary"}, "source.path"),
    ({"kind": "snapshot", "path": "x", "tenantId": "canary"}, "source.tenantId"),
    (GRAPH | {"credential": "canary"}, "source.credential"),
    (GRAPH | {"path": "canary"}, "source.path"),
    ({"tenantId": "t", "clientId": "c"}, "source.servicePrincipalId"),
    (GRAPH | {"graphRoot": "http://canary.example"}, "source.graphRoot"),
]


@pytest.mark.parametrize("how", ["POST", "PATCH"])
async def test_a_bad_source_of_either_kind_is_told_by_the_field_as_it_was_written(console: Console, how: str) -> None:
    job = await console.new_job(source={"kind": "snapshot", "path": "x"} if how == "PATCH" else GRAPH)
    for source, field in BAD_SOURCES:
        target = "/api/v1/jobs" if how == "POST" else f"/api/v1/jobs/{job}"
        if how == "PATCH" and isinstance(source, dict):
            source = {"kind": "microsoft-graph"} | source  # noqa: PLW2901 - without a kind a patch keeps the one that is
            if (field == "source.path" and "path" not in source) or source["kind"] is None:
                continue  # the path stays as it is; null brings the default kind back
        reply = await console.call(how, target, DEFINITION | {"source": source})
        assert reply.status == 422, (source, reply.raw)
        assert [error["field"] for error in reply.json["errors"]] == [field], source
        assert "canary" not in reply.text


async def test_a_patch_to_another_kind_replaces_the_source_and_one_within_it_merges(console: Console) -> None:
    job = await console.new_job()
    merged = await console.call("PATCH", f"/api/v1/jobs/{job}", {"source": {"credential": "workloadIdentity"}})
    assert (merged.json["source"]["tenantId"], merged.json["source"]["credential"]) == ("tenant-1", "workloadIdentity")
    replaced = await console.call("PATCH", f"/api/v1/jobs/{job}", SNAPSHOT)
    assert replaced.json["source"] == SNAPSHOT["source"]
    back = await console.call("PATCH", f"/api/v1/jobs/{job}", {"source": GRAPH | {"kind": "microsoft-graph"}})
    assert back.json["source"]["credential"] == "clientSecret"


class LoginRoot:
    """A token endpoint and a Graph that take one assertion; ``forms`` is what was sent."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.answer: tuple[int, dict[str, Any]] = (200, {"access_token": "not-a-real-token", "expires_in": 3599})
        self.url = ""

    async def token(self, request: web.Request) -> web.Response:
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        status, content = self.answer
        return web.json_response(content, status=status)

    async def principal(self, _: web.Request) -> web.Response:
        return web.json_response({"id": "sp-1", "appId": "client-1"})


@pytest.fixture
async def login() -> AsyncIterator[LoginRoot]:
    """A running login root."""
    root, app = LoginRoot(), web.Application()
    app.router.add_post("/tenant-1/oauth2/v2.0/token", root.token)
    app.router.add_get("/v1.0/servicePrincipals/sp-1", root.principal)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    root.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield root
    finally:
        await runner.cleanup()


async def source_check(console: Console, source: dict[str, Any], **credentials: str) -> dict[str, Any]:
    definition = DEFINITION | {"source": source, "target": {"tenantUrl": "http://127.0.0.1:1/scim"}}
    job = (await console.call("POST", "/api/v1/jobs", definition)).json["id"]
    reply = await console.call("POST", f"/api/v1/jobs/{job}/validateCredentials", TOKEN | credentials, role="operator")
    (check,) = [check for check in reply.json["checks"] if check["name"] == "source"]
    return dict(check)


async def test_a_certificate_is_tested_by_an_assertion_at_the_token_endpoint(
    database_url: str, login: LoginRoot
) -> None:
    source = CERTIFICATE["source"] | {"graphRoot": login.url, "loginRoot": login.url}
    async with running_console(database_url, allow_insecure_loopback=True) as console:
        assert (await source_check(console, source))["message"] == "clientCertificate is not set"
        found = await source_check(console, source, clientCertificate=PEM)
        assert (found["ok"], found["tested"], found["message"]) == (
            True,
            True,
            "Client credentials and service principal work",
        )
        (form,) = login.forms
        assert form["client_assertion"].count(".") == 2
        assert "client_secret" not in form
        assert (form["client_id"], form["scope"]) == ("client-1", f"{login.url}/.default")
        login.answer = (401, {"error": "invalid_client", "error_codes": [700027]})
        refused = await source_check(console, source, clientCertificate=PEM)
        assert (refused["ok"], "AADSTS700027" in refused["message"]) == (False, True)
        assert "thumbprint" in refused["advice"]


async def test_a_saved_certificate_that_expired_since_is_not_sent_at_all(database_url: str, login: LoginRoot) -> None:
    source = CERTIFICATE["source"] | {"graphRoot": login.url, "loginRoot": login.url}
    async with running_console(database_url, allow_insecure_loopback=True) as console:
        job = await console.new_job(source=source, target={"tenantUrl": "http://127.0.0.1:1/scim"})
        await put(console, job, clientCertificate=PEM)
        expired = console.frame.secrets.encrypt(
            pem_certificate(days=-1) + pem_key(), job_id=job, field="clientCertificate"
        )
        async with console.frame.connection() as connection:
            await connection.execute(
                "UPDATE job_definition SET secrets = jsonb_set(secrets, '{clientCertificate,ciphertext}', to_jsonb($1::text))",
                expired,
            )
        reply = await console.call("POST", f"/api/v1/jobs/{job}/validateCredentials", TOKEN)
        check = reply.json["checks"][1]
        assert (check["ok"], "expired at" in check["message"]) == (False, True)
        assert login.forms == []


@pytest.mark.parametrize(("source", "words"), [(WORKLOAD, "token file"), (SNAPSHOT, "no credentials")])
async def test_what_only_the_watcher_can_try_is_said_not_to_be_tested(
    database_url: str, source: dict[str, Any], words: str
) -> None:
    async with running_console(database_url, allow_insecure_loopback=True) as console:
        check = await source_check(console, source["source"])
        assert (check["ok"], check["tested"], check["code"]) == (True, False, None)
        assert words in check["message"]
