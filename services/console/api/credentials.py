"""The credentials of a job: save them, and Test Connection."""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import SecretStr

from services.console import audit, job_definitions, read
from services.console.api.access import frame_of
from services.console.api.bodies import CredentialsToTest, JobId, Reason, Secrets
from services.console.api.jobs import Admin, AnOperator
from services.console.api.problems import Json
from services.console.client_certificate import read_certificate
from services.console.connection_test import Credential, run_checks
from services.console.job_definitions import EXPIRY_OF_CLIENT_SECRET, SECRET_NAMES, StoredJob, StoredSecret
from services.console.settings import ConsoleSettings
from shared.runtime.frame import Frame
from shared.runtime.secrets import SecretUnreadableError, fingerprint

router = APIRouter(prefix="/jobs/{job}", tags=["jobs"])


@router.put("/secrets")
async def put_secrets(request: Request, job: JobId, secrets: Secrets, operator: Admin, reason: Reason = "") -> Response:
    """Save credentials. They are never shown again; those not named stay, null forgets.

    ``clientCertificate`` is PEM with a certificate and its RSA private key; its thumbprint and its expiry are shown.
    """
    frame = frame_of(request)
    named = sorted(Secrets.model_fields[name].alias or name for name in secrets.model_fields_set)
    async with frame.transaction() as tx:
        changed = await job_definitions.change_job(
            tx,
            audit.Request(operator=operator, reason=reason),
            job,
            "jobs.secrets",
            lambda known: replace(known, secrets=_with_secrets(frame, known, secrets, tx.now.isoformat())),
            details={"fields": named},
        )
    return Json({"secrets": read.show_secrets(changed)})


@router.post("/validateCredentials")
async def validate_credentials(
    request: Request, job: JobId, _: AnOperator, given: CredentialsToTest | None = None
) -> Response:
    """Test Connection: ask target and source with the given or the saved credentials; nothing is changed anywhere.

    A check with ``tested`` false says why the console cannot make it: it counts as ok.
    """
    frame = frame_of(request)
    given = given or CredentialsToTest()
    async with frame.connection() as connection:
        known = await job_definitions.load_job(connection, job)
    settings = frame.settings
    assert isinstance(settings, ConsoleSettings)
    checks = await run_checks(
        known.definition,
        {name: _credential(frame, known, name, value) for name, value in _given(given).items()},
        allow_insecure_loopback=settings.allow_insecure_loopback,
        seconds=settings.console_connection_test_seconds,
    )
    return Json({"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]})


def _given(body: Secrets | CredentialsToTest) -> dict[str, SecretStr | None]:
    return dict(zip(SECRET_NAMES, (body.secret_token, body.client_secret, body.client_certificate), strict=True))


def _with_secrets(frame: Frame, job: StoredJob, given: Secrets, now: str) -> dict[str, StoredSecret]:
    """Return the credentials of a job after a save: a new one without a date has no known expiry, but a certificate says its own."""
    secrets = dict(job.secrets)

    def stored(name: str, text: str, **more: Any) -> StoredSecret:
        sealed = frame.secrets.encrypt(text, job_id=job.job_id, field=name)
        known: dict[str, Any] = {"expires_at": None, "updated_at": now} | more
        return StoredSecret(ciphertext=sealed, fingerprint=fingerprint(text), **known)

    named = {Secrets.model_fields[name].alias for name in given.model_fields_set}
    for name, value in _given(given).items():
        if value is None and name not in named:
            continue
        secrets.pop(name, None)
        if name == "clientSecret":
            secrets.pop(EXPIRY_OF_CLIENT_SECRET, None)
        if value is not None:
            text = value.get_secret_value()
            secrets[name] = stored(name, text, **(_of_certificate(text) if name == "clientCertificate" else {}))
    dates: dict[str, datetime | None] = {
        "secretToken": given.secret_token_expires_at,
        "clientSecret": given.client_secret_expires_at,
    }
    for name, date in dates.items():
        if f"{name}ExpiresAt" in named and name in secrets:
            expires = date.isoformat() if date else None
            secrets[name] = replace(secrets[name], expires_at=expires, updated_at=now)
            if name == "clientSecret":
                secrets.pop(EXPIRY_OF_CLIENT_SECRET, None)
                if expires:
                    secrets[EXPIRY_OF_CLIENT_SECRET] = stored(EXPIRY_OF_CLIENT_SECRET, expires)
    return secrets


def _of_certificate(pem: str) -> dict[str, Any]:
    certificate = read_certificate(pem)
    return {"expires_at": certificate.expires_at.isoformat(), "thumbprint": certificate.thumbprint}


def _credential(frame: Frame, job: StoredJob, name: str, given: SecretStr | None) -> Credential:
    if given is not None:
        return Credential(text=given.get_secret_value())
    if name not in job.secrets:
        return Credential()
    try:
        return Credential(text=frame.secrets.decrypt(job.secrets[name].ciphertext, job_id=job.job_id, field=name))
    except SecretUnreadableError as error:
        return Credential(unreadable=str(error))
