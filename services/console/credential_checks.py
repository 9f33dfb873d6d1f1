"""Test Connection, the pure part: which requests are sent, and what each answer means. No answer's text ever gets into a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from shared.contracts.failure_codes import ADVICE, Code
from shared.contracts.job import MicrosoftGraphSource

LIST_RESPONSE: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_SCIM_TYPES: Final = frozenset({"invalidFilter", "invalidValue", "invalidSyntax", "tooMany", "sensitive"})
_LINKEDIN_TOKEN_STATES: Final = {65600: "is not valid", 65601: "was revoked", 65602: "has expired"}
_TENANT_URL_ADVICE: Final = (
    "Check the Tenant URL of the job: it is the SCIM root, for LinkedIn https://api.linkedin.com/scim"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One request that is to be sent; its headers and body hold credentials and are never shown."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of one check: ``name`` is target or source; code and advice are given when it is not ok.

    What is not ``tested`` counts as ok: nothing speaks against it, and the message says why nobody could look.
    """

    name: str
    ok: bool
    message: str
    code: str | None = None
    advice: str | None = None
    tested: bool = True


SNAPSHOT_NOT_TESTED: Final = Check(
    name="source",
    ok=True,
    tested=False,
    message="A snapshot has no credentials, and only the assignment-watcher can read its folder. "
    "What it finds is shown by: seatkeeper source show",
)
WORKLOAD_IDENTITY_NOT_TESTED: Final = Check(
    name="source",
    ok=True,
    tested=False,
    message="Only the pod of the assignment-watcher has the token file of its workload identity, so this cannot be tried from here. "
    "Start the job; what the first cycle finds is shown by: seatkeeper source show",
)


def target_request(tenant_url: str, secret_token: str, probe: str) -> Prepared:
    """Return the lookup of an ``externalId`` that nobody has (RFC 7644, section 3.4.2)."""
    query = urlencode({"filter": f'externalId eq "{probe}"'}, quote_via=quote)
    return Prepared(
        method="GET",
        url=f"{tenant_url}/Users?{query}",
        headers={"Authorization": f"Bearer {secret_token}", "Accept": "application/scim+json, application/json"},
    )


def judge_target(status: int, body: bytes) -> Check:
    """Return what the answer to ``target_request`` says about Tenant URL and Secret Token."""
    content = _json(body)
    if status == 200:
        return _judge_list(content)
    if status == 401:
        state = _LINKEDIN_TOKEN_STATES.get(_whole(content.get("serviceErrorCode")) or 0, "was refused")
        return _refused("target", Code.UNAUTHORIZED, f"The Secret Token {state} (401)")
    if status in _TARGET_ANSWERS:
        code, message, advice = _TARGET_ANSWERS[status]
        return _refused("target", code, f"{message} ({status})", advice)
    if 300 <= status < 400:
        return _refused(
            "target", Code.NOT_IMPLEMENTED, f"The Tenant URL points elsewhere ({status})", _TENANT_URL_ADVICE
        )
    if status >= 500:
        return _refused("target", Code.INTERNAL_SERVER_ERROR, f"The target failed ({status})")
    kind = content.get("scimType")
    detail = f" {kind}" if isinstance(kind, str) and kind in _SCIM_TYPES else ""
    message = f"The target refused to look a user up by externalId ({status}{detail})"
    return _refused("target", Code.SERVICE_INCOMPATIBLE, message, _TENANT_URL_ADVICE)


_TARGET_ANSWERS: Final[Mapping[int, tuple[Code, str, str | None]]] = {
    403: (Code.INSUFFICIENT_RIGHTS, "The Secret Token is known, but may not read users", None),
    404: (Code.NOT_IMPLEMENTED, "There is no SCIM service at the Tenant URL", _TENANT_URL_ADVICE),
    405: (Code.NOT_IMPLEMENTED, "There is no SCIM service at the Tenant URL", _TENANT_URL_ADVICE),
    429: (Code.TOO_MANY_REQUESTS, "The target asks to slow down", None),
    501: (Code.NOT_IMPLEMENTED, "The target does not look users up by externalId", None),
}


def _judge_list(content: Mapping[str, Any]) -> Check:
    schemas = content.get("schemas")
    found = _whole(content.get("totalResults"))
    if not isinstance(schemas, list) or LIST_RESPONSE not in schemas or found is None:
        message = "The Tenant URL answers, but not as a SCIM service does"
        return _refused("target", Code.SERVICE_INCOMPATIBLE, message, _TENANT_URL_ADVICE)
    if found:
        message = "The target found a user for an externalId that nobody has: it does not look at the filter"
        advice = (
            "Without the filter accounts cannot be matched. Ask the target's support about filtering by externalId."
        )
        return _refused("target", Code.SERVICE_INCOMPATIBLE, message, advice)
    return Check(name="target", ok=True, message="Tenant URL and Secret Token work")


def token_url(source: MicrosoftGraphSource) -> str:
    """Return the token endpoint of the source's tenant."""
    return f"{source.login_root.rstrip('/')}/{quote(source.tenant_id, safe='')}/oauth2/v2.0/token"


def token_request(source: MicrosoftGraphSource, proof: Mapping[str, str]) -> Prepared:
    """Return the request for an access token (Microsoft identity platform, "OAuth 2.0 client credentials flow").

    ``proof`` is the part of the form that proves who asks: a client secret, or an assertion.
    """
    form = {
        "grant_type": "client_credentials",
        "client_id": source.client_id,
        "scope": f"{source.graph_root.rstrip('/')}/.default",
    }
    form |= proof
    return Prepared(
        method="POST",
        url=token_url(source),
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
        body=urlencode(form).encode(),
    )


def judge_token(status: int, body: bytes) -> str | Check:
    """Return the access token, or the failed check that says which of the source's settings is wrong."""
    content = _json(body)
    if status == 200 and isinstance(token := content.get("access_token"), str) and token:
        return token
    numbers = content.get("error_codes")
    for number in numbers if isinstance(numbers, list) else ():
        if known := _AADSTS.get(number if isinstance(number, int) else 0):
            message, advice = known
            return _refused("source", Code.SOURCE_REFUSED, f"{message} (AADSTS{number})", advice)
    if 400 <= status < 500 and status != 429:
        return _refused("source", Code.SOURCE_REFUSED, f"The token request was refused ({status})")
    if status == 200:
        return _refused(
            "source", Code.SOURCE_UNAVAILABLE, "The login root answers, but not with a token", _LOGIN_ADVICE
        )
    return _refused("source", Code.SOURCE_UNAVAILABLE, f"No access token could be got ({status})")


_LOGIN_ADVICE: Final = "Check source.loginRoot of the job; for the public cloud it is https://login.microsoftonline.com"
_AADSTS: Final[Mapping[int, tuple[str, str]]] = {
    7000215: ("The client secret is wrong", "Save the secret's value, not its id, as clientSecret."),
    7000222: ("The client secret has expired", "Make a new client secret in the app registration and save it."),
    700027: (
        "The certificate is not one of the application's, or its signature was refused",
        "Upload the certificate to the app registration; its thumbprint is shown by: seatkeeper jobs show",
    ),
    700024: (
        "The assertion is not valid at this time",
        "Check the clock of the machine on which the console runs.",
    ),
    700016: ("The client id is not known in this tenant", "Check source.clientId and source.tenantId of the job."),
    90002: ("The tenant is not known", "Check source.tenantId of the job."),
    900023: ("The tenant id is malformed", "Check source.tenantId of the job."),
}


def service_principal_request(source: MicrosoftGraphSource, access_token: str) -> Prepared:
    """Return the read of the enterprise application (Microsoft Graph, "Get servicePrincipal")."""
    return Prepared(
        method="GET",
        url=f"{source.graph_root.rstrip('/')}/v1.0/servicePrincipals/{quote(source.service_principal_id, safe='')}"
        "?$select=id,appId,displayName,appRoles",
        headers={"Authorization": f"Bearer {access_token}", "Accept": "application/json"},
    )


def judge_service_principal(status: int, body: bytes) -> Check:
    """Return what the answer to ``service_principal_request`` says about permissions and the service principal id."""
    if status == 200 and isinstance(_json(body).get("id"), str):
        return Check(name="source", ok=True, message="Client credentials and service principal work")
    if status in (401, 403):
        return _refused(
            "source", Code.SOURCE_REFUSED, f"Microsoft Graph does not allow reading the application ({status})"
        )
    if status == 404:
        message = "There is no such service principal in the tenant (404)"
        advice = (
            "Check source.servicePrincipalId of the job: it is the object id of the enterprise application, not its "
            "application (client) id."
        )
        return _refused("source", Code.SOURCE_REFUSED, message, advice)
    advice = "Check source.graphRoot of the job; for the public cloud it is https://graph.microsoft.com"
    if status == 200 or 300 <= status < 400:
        message = f"The Graph root answers, but not as Microsoft Graph does ({status})"
        return _refused("source", Code.SOURCE_UNAVAILABLE, message, advice)
    return _refused("source", Code.SOURCE_UNAVAILABLE, f"Microsoft Graph failed ({status})")


def no_answer(name: str, message: str, *, timed_out: bool) -> Check:
    """Return the failed check of a peer that gave no usable answer; ``message`` is one of ours."""
    if name == "source":
        advice = "Check source.loginRoot and source.graphRoot of the job, and the network."
        return _refused(name, Code.SOURCE_UNAVAILABLE, message, advice)
    if timed_out:
        return _refused(name, Code.TIMEOUT, message, f"{_TENANT_URL_ADVICE}. Then check the network and try again.")
    return _refused(name, Code.UNREACHABLE, message, f"{_TENANT_URL_ADVICE}. Then check the network.")


def certificate_expired(at: datetime) -> Check:
    """Return the failed check of a certificate that is past its time."""
    message = f"The client certificate expired at {at:%Y-%m-%d %H:%M} UTC"
    advice = "Make a new certificate, upload it to the app registration, and save it as clientCertificate."
    return _refused("source", Code.SOURCE_REFUSED, message, advice)


def missing(name: str, secret: str) -> Check:
    """Return the failed check of a job whose credential is not set."""
    code = Code.UNAUTHORIZED if name == "target" else Code.SOURCE_REFUSED
    return _refused(
        name, code, f"{secret} is not set", f"Save it by PUT /api/v1/jobs/JOB/secrets, or send {secret} to test it."
    )


def unreadable(name: str, message: str) -> Check:
    """Return the failed check of a job whose stored credential cannot be decrypted; ``message`` is one of ours."""
    code = Code.UNAUTHORIZED if name == "target" else Code.SOURCE_REFUSED
    return _refused(name, code, message, "Save the secret again.")


def _refused(name: str, code: Code, message: str, advice: str | None = None) -> Check:
    return Check(name=name, ok=False, message=message, code=code, advice=advice or ADVICE[code])


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
