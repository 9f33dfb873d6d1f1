"""The REST API over its real socket: jobs, credentials, start and pause, and what bad input is told."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.console.api.access import PUBLIC_PATHS, declared_routes
from services.console.web_app import build_api
from shared.contracts.control import JobRecord, OperatorRequest
from shared.contracts.ids import derived_id, job_id_for
from shared.runtime.secrets import fingerprint
from tests.support.builders_console import DEFINITION, SECRET_KEY, Console

TOKEN_CANARY = "canary-secret-token-not-a-real-token"
CLIENT_CANARY = "canary-client-secret-not-a-real-one"
SECRETS = {
    "secretToken": TOKEN_CANARY,
    "clientSecret": CLIENT_CANARY,
    "secretTokenExpiresAt": "2028-03-01T00:00:00Z",
}


async def emitted(console: Console, kind: type[Any]) -> list[Any]:
    rows = await console.rows("SELECT headers, payload FROM outbox WHERE topic = $1 ORDER BY id", kind.topic)
    return [(json.loads(row["headers"]), kind.model_validate_json(row["payload"])) for row in rows]


async def test_a_job_is_created_shown_and_told_to_everybody(console: Console) -> None:
    reply = await console.call("POST", "/api/v1/jobs", DEFINITION, headers={"X-Seatkeeper-Reason": "first job"})
    assert reply.status == 201
    job = reply.json
    assert reply.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    shown = (await console.call("GET", f"/api/v1/jobs/{job['id']}", role="viewer")).json
    assert shown["target"]["tenantUrl"] == "https://api.linkedin.example/scim"
    assert shown["settings"]["interval"] == "PT1M"
    assert shown["status"]["state"] == "Disabled"
    assert shown["status"]["missingSecrets"] == ["secretToken", "clientSecret"]
    ((headers, record),) = await emitted(console, JobRecord)
    assert headers["ce_id"] == str(derived_id("job", job["id"], 1))
    assert (record.sequence, record.object_id, record.schedule, record.secrets) == (1, "~job", "Disabled", {})
    ((entry),) = [item for item in (await audit(console)) if item["action"] == "jobs.create"]
    assert (entry["operator"], entry["reason"], entry["jobId"]) == ("a admin", "first job", job["id"])


async def audit(console: Console) -> list[Any]:
    listed: list[Any] = (await console.call("GET", "/api/v1/auditLogs/operators")).json["value"]
    return listed


async def test_the_same_idempotency_key_makes_one_job(console: Console) -> None:
    headers = {"Idempotency-Key": "key-1"}
    first = await console.call("POST", "/api/v1/jobs", DEFINITION, headers=headers)
    again = await console.call("POST", "/api/v1/jobs", DEFINITION, headers=headers)
    assert (first.status, again.status) == (201, 200)
    assert first.json["id"] == again.json["id"] == job_id_for("key-1")
    assert len(await emitted(console, JobRecord)) == 1
    other = await console.call("POST", "/api/v1/jobs", DEFINITION | {"displayName": "B"}, headers=headers)
    assert other.status == 409
    assert "Idempotency-Key" in other.json["title"]
    await console.call("DELETE", f"/api/v1/jobs/{first.json['id']}")
    assert (await console.call("POST", "/api/v1/jobs", DEFINITION, headers=headers)).status == 409


def changed(path: str, value: Any) -> dict[str, Any]:
    """The definition with one value set, by its path."""
    definition: dict[str, Any] = json.loads(json.dumps(DEFINITION))
    *parents, last = path.split(".")
    inner = definition
    for name in parents:
        inner = inner.setdefault(name, {})
    inner[last] = value
    return definition


BAD = [
    ("displayNam", "x", "displayNam"),
    ("settings.intervall", "PT1M", "settings.intervall"),
    ("settings.interval", "PT0S", "settings.interval"),
    ("settings.interval", "P2D", "settings.interval"),
    ("settings.interval", "a minute", "settings.interval"),
    ("settings.removalConfirmation", "-PT1S", "settings.removalConfirmation"),
    ("target.tenantUrl", "http://api.linkedin.example/scim", "target.tenantUrl"),
    ("target.tenantUrl", "http://127.0.0.1:1/scim", "target.tenantUrl"),
    ("target.tenantUrl", "ftp://x", "target.tenantUrl"),
    ("target.tenantUrl", "https://user:canary@x/scim", "target.tenantUrl"),
    ("source.graphRoot", "http://graph.example", "source.graphRoot"),
    ("source.loginRoot", "http://login.example", "source.loginRoot"),
    ("target.requestsPerSecond", 0, "target.requestsPerSecond"),
    ("licenses.capacity", -1, "licenses.capacity"),
    ("licenses.whenExhausted", "canary", "licenses.whenExhausted"),
    ("notifications.email", "canary", "notifications.email"),
    ("template", "canary", "template"),
    ("displayName", "", "displayName"),
    ("settings.requiredRoles", [1], "settings.requiredRoles.0"),
    ("settings.deletionThreshold.percent", 101, "settings.deletionThreshold.percent"),
]


@pytest.mark.parametrize("how", ["POST", "PATCH"])
async def test_bad_input_is_told_by_field_and_never_repeated(console: Console, how: str) -> None:
    job = await console.new_job()
    for path, value, field in BAD:
        body = changed(path, value)
        target = "/api/v1/jobs" if how == "POST" else f"/api/v1/jobs/{job}"
        reply = await console.call(how, target, body)
        assert (reply.status, reply.headers["Content-Type"]) == (422, "application/problem+json"), path
        problem = reply.json
        assert problem["title"], path
        assert problem["detail"], path
        assert [error["field"] for error in problem["errors"]] == [field], path
        assert problem["errors"][0]["message"], path
        assert "canary" not in reply.text, path
    assert len(await emitted(console, JobRecord)) == 1


BAD_REQUESTS: list[tuple[str, str, bytes | None, str]] = [
    ("POST", "/api/v1/jobs", b"{canary", "body"),
    ("POST", "/api/v1/jobs", b"", "body"),
    ("POST", "/api/v1/jobs", b"[]", "body"),
    ("POST", "/api/v1/jobs", b"{}", "displayName"),
    ("PATCH", "/api/v1/jobs/JOB", b"[]", "body"),
    ("PATCH", "/api/v1/jobs/JOB", b'{"source": null}', "source"),
    ("PUT", "/api/v1/jobs/JOB/secrets", b'{"secretTokn": "canary"}', "secretTokn"),
    ("PUT", "/api/v1/jobs/JOB/secrets", b'{"secretToken": "canary with spaces"}', "secretToken"),
    ("PUT", "/api/v1/jobs/JOB/secrets", b'{"secretToken": ""}', "secretToken"),
    ("PUT", "/api/v1/jobs/JOB/secrets", b'{"secretToken": {"canary": 1}}', "secretToken"),
    ("PUT", "/api/v1/jobs/JOB/secrets", b'{"secretTokenExpiresAt": "canary"}', "secretTokenExpiresAt"),
    ("POST", "/api/v1/jobs/JOB/validateCredentials", b'{"password": "canary"}', "password"),
    ("GET", "/api/v1/jobs/JOB/users?limit=0", None, "limit"),
    ("GET", "/api/v1/jobs/JOB/users?status=canary", None, "status"),
    ("GET", "/api/v1/jobs/JOB/users?cursor=====", None, "cursor"),
    ("GET", "/api/v1/auditLogs/provisioning?$filter=canary", None, "$filter"),
    ("GET", "/api/v1/auditLogs/provisioning?$filter=provisioningAction%20eq%20%27canary%27", None, "$filter"),
    ("GET", "/api/v1/auditLogs/provisioning?$top=0", None, "$top"),
    ("GET", "/api/v1/auditLogs/provisioning?$skiptoken=canary", None, "$skiptoken"),
]


async def test_bad_requests_name_the_field(console: Console) -> None:
    job = await console.new_job()
    for method, path, body, field in BAD_REQUESTS:
        reply = await console.call(method, path.replace("JOB", job), body)
        assert reply.status == 422, path
        assert field in [error["field"] for error in reply.json["errors"]], (path, body)
        assert "canary" not in reply.text, path


async def test_other_errors_are_problems_too(console: Console) -> None:
    job = await console.new_job()
    expected = [
        ("GET", "/api/v1/jobs/unknown", None, 404),
        ("PATCH", "/api/v1/jobs/unknown", {"displayName": "x"}, 404),
        ("GET", f"/api/v1/jobs/{job}/users/nobody", None, 404),
        ("GET", f"/api/v1/jobs/{job}/users/a%00b", None, 404),
        ("GET", "/api/v1/nothing", None, 404),
        ("PUT", "/api/v1/jobs", {}, 405),
        ("POST", "/api/v1/jobs", b"x" * 300_000, 413),
    ]
    for method, path, body, status in expected:
        reply = await console.call(method, path, body)
        assert (reply.status, reply.headers["Content-Type"]) == (status, "application/problem+json"), path
        assert reply.json["status"] == status
        assert reply.json["detail"]


async def test_a_merge_patch_changes_what_it_names(console: Console) -> None:
    job = await console.new_job(settings={"interval": "PT5S"})
    patch = {"licenses": {"capacity": 9}, "settings": {"interval": None}}
    headers = {"Content-Type": "application/merge-patch+json"}
    reply = await console.call("PATCH", f"/api/v1/jobs/{job}", json.dumps(patch).encode(), headers=headers)
    assert reply.status == 200, reply.raw
    assert reply.json["licenses"] == {
        "autoAssign": True,
        "applicationInstance": "EMEA",
        "licenseType": "Advanced",
        "capacity": 9,
        "whenExhausted": "wait",
    }
    assert reply.json["settings"]["interval"] == "PT1M"
    assert reply.json["version"] == 2
    again = await console.call("PATCH", f"/api/v1/jobs/{job}", patch)
    assert again.json["version"] == 2
    records = [record for _, record in await emitted(console, JobRecord)]
    assert [(record.sequence, record.definition.licenses.capacity) for record in records] == [(1, 2), (2, 9)]
    (entry,) = [item for item in await audit(console) if item["action"] == "jobs.change"]
    assert entry["details"] == {"version": 2, "fields": ["licenses.capacity", "settings.interval"]}


async def test_start_and_pause(console: Console) -> None:
    job = await console.new_job()
    early = await console.call("POST", f"/api/v1/jobs/{job}/start", role="operator")
    assert early.status == 409
    assert "secretToken and clientSecret" in early.json["detail"]
    await console.call("PUT", f"/api/v1/jobs/{job}/secrets", {"secretToken": TOKEN_CANARY})
    assert "without clientSecret" in (await console.call("POST", f"/api/v1/jobs/{job}/start")).json["detail"]
    await console.call("PUT", f"/api/v1/jobs/{job}/secrets", SECRETS)
    for _ in range(2):
        started = await console.call(
            "POST", f"/api/v1/jobs/{job}/start", role="operator", headers={"X-Seatkeeper-Reason": "go"}
        )
        assert (started.status, started.json["schedule"]["state"]) == (200, "Active")
    for _ in range(2):
        paused = await console.call("POST", f"/api/v1/jobs/{job}/pause", role="operator")
        assert (paused.status, paused.json["schedule"]["state"]) == (200, "Paused")
    requests = [
        (request.kind, request.reason, request.requested_by) for _, request in await emitted(console, OperatorRequest)
    ]
    assert requests == [("start", "go", "a operator"), ("pause", "", "a operator")]
    records = [(record.sequence, record.schedule) for _, record in await emitted(console, JobRecord)]
    assert records[-2:] == [(4, "Active"), (5, "Paused")]


async def test_a_restart_counts_what_is_to_be_forgotten(console: Console) -> None:
    job = await console.new_job()
    path = f"/api/v1/jobs/{job}/restart"
    for scope in (None, "Full", "Escrows, ForceDeletes"):
        body = None if scope is None else {"criteria": {"resetScope": scope}}
        assert (await console.call("POST", path, body)).status == 200
    _, record = (await emitted(console, JobRecord))[-1]
    assert record.restarts == 2
    assert record.resets == {"ConnectorDataStore": 1, "Escrows": 3, "ForceDeletes": 1, "QuarantineState": 2}
    assert (await audit(console))[0]["action"] == "jobs.restart"
    for scope in ("None", "Watermark, Everything"):
        refused = await console.call("POST", path, {"criteria": {"resetScope": scope}})
        assert refused.status == 422
        assert refused.json["errors"][0]["field"] == "criteria.resetScope"
    assert (await emitted(console, JobRecord))[-1][1] == record


async def test_a_deleted_job_is_gone_and_its_credentials_with_it(console: Console) -> None:
    job = await console.new_job()
    await console.call("PUT", f"/api/v1/jobs/{job}/secrets", SECRETS)
    assert (await console.call("DELETE", f"/api/v1/jobs/{job}")).status == 204
    assert (await console.call("GET", f"/api/v1/jobs/{job}")).status == 404
    assert (await console.call("DELETE", f"/api/v1/jobs/{job}")).status == 404
    assert (await console.call("GET", "/api/v1/jobs")).json == {"value": []}
    _, record = (await emitted(console, JobRecord))[-1]
    assert (record.deleted, record.secrets, record.sequence) == (True, {}, 3)
    ((secrets,),) = [tuple(row) for row in await console.rows("SELECT secrets FROM job_definition")]
    assert secrets == "{}"


async def test_secrets_are_kept_as_ciphertext_and_shown_by_fingerprint_only(console: Console) -> None:
    job = await console.new_job()
    reply = await console.call("PUT", f"/api/v1/jobs/{job}/secrets", SECRETS)
    shown = reply.json["secrets"]["secretToken"]
    assert shown["set"] is True
    assert shown["fingerprint"] == fingerprint(TOKEN_CANARY)
    assert shown["expiresAt"].startswith("2028-03-01T00:00:00")
    assert shown["updatedAt"]
    assert (await console.call("GET", f"/api/v1/jobs/{job}")).json["secrets"]["secretToken"] == shown
    _, record = (await emitted(console, JobRecord))[-1]
    box = console.frame.secrets
    assert box.decrypt(record.secrets["secretToken"], job_id=job, field="secretToken") == TOKEN_CANARY
    assert box.decrypt(record.secrets["clientSecret"], job_id=job, field="clientSecret") == CLIENT_CANARY
    renewed = await console.call("PUT", f"/api/v1/jobs/{job}/secrets", {"secretToken": "another-not-a-real-token"})
    assert renewed.json["secrets"]["secretToken"]["expiresAt"] is None, "the old date is not the new token's"
    assert renewed.json["secrets"]["clientSecret"]["set"] is True
    forgotten = await console.call("PUT", f"/api/v1/jobs/{job}/secrets", {"clientSecret": None})
    assert forgotten.json["secrets"]["clientSecret"]["set"] is False


async def test_i9_no_secret_in_any_answer_any_row_or_any_log(
    console: Console, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    job = await console.new_job()
    replies = [
        await console.call("PUT", f"/api/v1/jobs/{job}/secrets", SECRETS),
        await console.call("PUT", f"/api/v1/jobs/{job}/secrets", SECRETS | {"unknown": TOKEN_CANARY}),
        await console.call("PUT", f"/api/v1/jobs/{job}/secrets", SECRETS | {"secretToken": f"{TOKEN_CANARY} \n x"}),
        await console.call("PUT", f"/api/v1/jobs/{job}/secrets", {TOKEN_CANARY + " ": 1}),
        await console.call("PUT", f"/api/v1/jobs/{job}/secrets", f'{{"secretToken": "{TOKEN_CANARY}'.encode()),
        await console.call("PATCH", f"/api/v1/jobs/{job}", {"secretToken": TOKEN_CANARY}),
        await console.call("POST", f"/api/v1/jobs/{job}/validateCredentials", {"secretToken": TOKEN_CANARY}),
        await console.call("GET", f"/api/v1/jobs/{job}"),
        await console.call("GET", "/api/v1/jobs"),
        await console.call("GET", "/api/v1/auditLogs/operators"),
        await console.call("GET", "/metrics", role=None),
        await console.call("GET", "/api/v1/jobs", role=None, headers={"Authorization": f"Bearer {TOKEN_CANARY}"}),
    ]
    database = "".join(
        [
            str([tuple(row) for row in await console.rows(f"SELECT t::text FROM {table} t")])
            for table in ("job_definition", "operator_audit", "outbox", "operator_token")
        ]
    )
    payloads = b"".join([row["payload"] for row in await console.rows("SELECT payload FROM outbox")]).decode()
    out, err = capfd.readouterr()
    everything = [*(reply.text for reply in replies), database, payloads, out, err, caplog.text]
    for text in everything:
        assert TOKEN_CANARY not in text
        assert CLIENT_CANARY not in text
        for token in console.tokens.values():
            assert token not in text


async def test_every_route_declares_who_may_call_it_and_holds_to_it(console: Console) -> None:
    routes = declared_routes(build_api(console.frame))
    assert len(routes) > 15
    for path, methods, least in routes:
        if path in PUBLIC_PATHS:
            assert least is None, path
            continue
        assert least is not None, f"{path} declares no least role"
        if not path.startswith("/api/"):
            continue
        concrete = path.replace("{job}", "some-job").replace("{user}", "some-user")
        for method in methods:
            nobody = await console.call(method, concrete, {}, role=None)
            assert nobody.status == 401, f"{method} {path}"
            assert nobody.headers["WWW-Authenticate"].startswith("Bearer")
            for role in ("viewer", "operator", "admin"):
                reply = await console.call(method, concrete, {}, role=role)
                allowed = ["viewer", "operator", "admin"].index(role) >= ["viewer", "operator", "admin"].index(least)
                assert (reply.status != 403) is allowed, f"{method} {path} as {role}"


async def test_a_wrong_token_is_refused(console: Console) -> None:
    for header in ("", "Bearer", "Bearer ", "Bearer wrong", "Basic eDp5", "Bearer " + "x" * 5000, "Bearer é"):
        reply = await console.call("GET", "/api/v1/jobs", role=None, headers={"Authorization": header})
        assert reply.status == 401, header[:20]
        assert "seatkeeper token create" in reply.json["detail"]


async def test_an_expired_or_revoked_token_is_refused_at_once(console: Console) -> None:
    assert (await console.call("GET", "/api/v1/jobs", role="viewer")).status == 200
    async with console.frame.connection() as connection:
        await connection.execute("UPDATE operator_token SET expires_at = now() WHERE role = 'viewer'")
        await connection.execute("UPDATE operator_token SET revoked_at = now() WHERE role = 'operator'")
    assert (await console.call("GET", "/api/v1/jobs", role="viewer")).status == 401
    assert (await console.call("GET", "/api/v1/jobs", role="operator")).status == 401
    assert (await console.call("GET", "/api/v1/jobs", role="admin")).status == 200


async def test_a_token_has_its_shape_is_kept_as_a_hash_and_its_use_is_noted(console: Console) -> None:
    import re

    assert re.fullmatch(r"seatkeeper_viewer_[0-9A-Za-z]{43}", console.tokens["viewer"])
    assert console.tokens["viewer"] not in str(await console.rows("SELECT t::text FROM operator_token t"))
    await console.call("GET", "/api/v1/jobs", role="viewer")
    ((used,),) = [
        tuple(row) for row in await console.rows("SELECT last_used_at FROM operator_token WHERE role = 'viewer'")
    ]
    assert used is not None


async def test_probes_metrics_and_openapi_need_no_token(console: Console) -> None:
    assert (await console.call("GET", "/livez", role=None)).json == {"live": True, "stalled": []}
    console.frame.health.started = True
    assert (await console.call("GET", "/readyz", role=None)).status == 200
    console.frame.health.wait_for("kafka", "Kafka cannot be reached")
    unready = await console.call("GET", "/readyz", role=None)
    assert (unready.status, unready.json["waiting"]) == (503, {"kafka": "Kafka cannot be reached"})
    assert b"python_gc_objects" in (await console.call("GET", "/metrics", role=None)).raw
    paths = (await console.call("GET", "/api/v1/openapi.json", role=None)).json["paths"]
    assert "/api/v1/jobs/{job}/validateCredentials" in paths


async def test_a_crash_right_before_the_commit_leaves_no_job_and_the_repeat_makes_one(console: Console) -> None:
    environment = {
        "SEATKEEPER_DATABASE_URL": console.frame.settings.database_url.get_secret_value(),
        "SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "SEATKEEPER_SECRET_KEY": SECRET_KEY,
        "PATH": os.environ["PATH"],
    }
    script = (
        "import asyncio\n"
        "from shared.runtime import crashpoints\n"
        "from tests.support.builders_console import DEFINITION, running_console\n"
        "async def main(url):\n"
        "    async with running_console(url) as console:\n"
        "        crashpoints.arm('console.before_commit:1')\n"
        "        await console.call('POST', '/api/v1/jobs', DEFINITION, headers={'Idempotency-Key': 'key-1'})\n"
        "import os; asyncio.run(main(os.environ['SEATKEEPER_DATABASE_URL']))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=Path.cwd(), check=False, capture_output=True, timeout=60
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert (await console.call("GET", "/api/v1/jobs")).json == {"value": []}
    assert await emitted(console, JobRecord) == []
    reply = await console.call("POST", "/api/v1/jobs", DEFINITION, headers={"Idempotency-Key": "key-1"})
    assert (reply.status, reply.json["id"]) == (201, job_id_for("key-1"))
