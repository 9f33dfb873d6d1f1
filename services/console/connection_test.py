"""Test Connection, the part with the socket: both checks of one job, side by side, within a time limit."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from services.console import credential_checks as checks
from services.console.client_certificate import assertion_form, read_certificate
from services.console.credential_checks import Check, Prepared
from shared.contracts.job import Credential as Kind
from shared.contracts.job import JobDefinition, MicrosoftGraphSource
from shared.runtime.http import Answer, HttpClient, HttpError, Limits, TimedOutError

_ANSWER_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential to test: its text, or why there is none."""

    text: str | None = field(default=None, repr=False)
    unreadable: str | None = None


async def run_checks(
    definition: JobDefinition,
    credentials: Mapping[str, Credential],
    *,
    allow_insecure_loopback: bool,
    seconds: float,
) -> list[Check]:
    """Return the checks of target and source, in this order. Nothing is written at either; each ends within ``seconds``.

    ``credentials`` holds each of ``job_definitions.SECRET_NAMES``. What cannot be checked from here is said to be not tested.
    """
    limits = Limits(connections=2, connect_seconds=min(5.0, seconds), total_seconds=seconds, answer_bytes=_ANSWER_BYTES)
    target = HttpClient("target", allow_insecure_loopback=allow_insecure_loopback, limits=limits)
    source = HttpClient("source", allow_insecure_loopback=allow_insecure_loopback, limits=limits)
    try:
        return list(
            await asyncio.gather(
                _within(seconds, "target", _check_target(target, definition, credentials["secretToken"])),
                _within(seconds, "source", _check_source(source, definition, credentials)),
            )
        )
    finally:
        await target.close()
        await source.close()


async def _within(seconds: float, name: str, check: Awaitable[Check]) -> Check:
    try:
        async with asyncio.timeout(seconds):
            return await check
    except (TimedOutError, TimeoutError):
        return checks.no_answer(name, f"The {name} did not answer within {seconds:g} s", timed_out=True)
    except HttpError as error:
        text = str(error)
        return checks.no_answer(name, text[0].upper() + text[1:], timed_out=False)


async def _check_target(client: HttpClient, definition: JobDefinition, credential: Credential) -> Check:
    if credential.text is None:
        return _none("target", "secretToken", credential)
    request = checks.target_request(definition.target.tenant_url, credential.text, str(uuid4()))
    answer = await _send(client, request)
    return checks.judge_target(answer.status, answer.body)


async def _check_source(client: HttpClient, definition: JobDefinition, credentials: Mapping[str, Credential]) -> Check:
    source = definition.source
    if not isinstance(source, MicrosoftGraphSource):
        return checks.SNAPSHOT_NOT_TESTED
    if source.credential is Kind.WORKLOAD_IDENTITY:
        return checks.WORKLOAD_IDENTITY_NOT_TESTED
    credential = credentials[source.credential.value]
    if credential.text is None:
        return _none("source", source.credential.value, credential)
    if source.credential is Kind.CLIENT_CERTIFICATE:
        certificate = read_certificate(credential.text)
        if certificate.expires_at <= datetime.now(UTC):
            return checks.certificate_expired(certificate.expires_at)
        proof = assertion_form(certificate, client_id=source.client_id, audience=checks.token_url(source))
    else:
        proof = {"client_secret": credential.text}
    answer = await _send(client, checks.token_request(source, proof))
    token = checks.judge_token(answer.status, answer.body)
    if isinstance(token, Check):
        return token
    answer = await _send(client, checks.service_principal_request(source, token))
    return checks.judge_service_principal(answer.status, answer.body)


def _none(name: str, secret: str, credential: Credential) -> Check:
    return checks.unreadable(name, credential.unreadable) if credential.unreadable else checks.missing(name, secret)


async def _send(client: HttpClient, request: Prepared) -> Answer:
    return await client.request(request.method, request.url, headers=request.headers, body=request.body)
