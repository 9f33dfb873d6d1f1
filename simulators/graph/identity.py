"""The token endpoint ("OAuth 2.0 client credentials flow on the Microsoft identity platform") and its tokens."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from simulators.graph.client_assertions import BEARER, judge

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

PUBLIC_ROOTS = ("https://graph.microsoft.com",)


class AccessTokens:
    """Issued access tokens and what they allow. A token of another process is unknown, hence refused."""

    def __init__(self) -> None:
        self._issued: dict[str, dict[str, Any]] = {}

    def issue(self, claims: dict[str, Any]) -> str:
        """A token shaped like a JWT whose payload is ``claims``; its signature is random, for nobody verifies it."""
        if len(self._issued) >= 10_000:
            self._issued.pop(next(iter(self._issued)))
        header = {"typ": "JWT", "alg": "RS256", "kid": "simulated"}
        parts = [base64.urlsafe_b64encode(orjson.dumps(part)) for part in (header, claims)]
        parts.append(base64.urlsafe_b64encode(secrets.token_bytes(32)))
        token = b".".join(part.rstrip(b"=") for part in parts).decode()
        self._issued[token] = claims
        return token

    def claims(self, token: str, now: float) -> dict[str, Any] | None:
        """The claims of a token that is known and has not expired."""
        claims = self._issued.get(token)
        return claims if claims is not None and now < claims["exp"] else None

    def expire(self) -> None:
        """Refuse every token issued so far."""
        self._issued.clear()


def failure(status: int, error: str, number: int, message: str) -> web.Response:
    """An error of the token endpoint ("Microsoft Entra authentication and authorization error codes")."""
    trace = secrets.token_hex(16)
    body = {
        "error": error,
        "error_description": f"AADSTS{number}: {message} Trace ID: {trace}",
        "error_codes": [number],
        "timestamp": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}",
        "trace_id": trace,
        "correlation_id": secrets.token_hex(16),
    }
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


Refusal = tuple[int, str, int, str]


def refusals(sim: "Simulation", *, tenant: str, form: Mapping[str, Any], origin: str) -> Iterator[Refusal]:
    """Why a token request is refused: (HTTP status, OAuth error, AADSTS number, message), the first one counts."""
    wanted = sim.directory.tenant
    if tenant.casefold() != wanted.id:
        yield 400, "invalid_request", 90002, f"Tenant '{tenant[:60]}' not found."
    for name in ("client_id", "scope", "grant_type"):
        if not form.get(name):
            yield 400, "invalid_request", 900144, f"The request body must contain the parameter '{name}'."
    if form.get("grant_type") != "client_credentials":
        yield 400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."
    if form.get("client_id") != wanted.client_id:
        yield 400, "unauthorized_client", 700016, "Application was not found in the directory."
    if form.get("scope") not in {f"{root}/.default" for root in (origin, *PUBLIC_ROOTS)}:
        yield 400, "invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid."
    yield from _proof(sim, form=form, endpoint=f"{origin}/{wanted.id}")


def _proof(sim: "Simulation", *, form: Mapping[str, Any], endpoint: str) -> Iterator[Refusal]:
    """What is wrong with the secret or the assertion."""
    now = sim.clock.now()
    if "client_assertion" in form:
        if form.get("client_assertion_type") != BEARER:
            yield 400, "invalid_request", 50027, "The client_assertion_type is not supported."
        audiences = frozenset({f"{endpoint}/oauth2/v2.0/token", f"{endpoint}/v2.0", f"{endpoint}/oauth2/token"})
        client = sim.directory.tenant.client_id
        text = str(form["client_assertion"])
        if problem := judge(sim.credentials, text, client_id=client, audiences=audiences, now=now):
            yield 401, "invalid_client", *problem
        return
    if "client_secret" not in form:
        yield 401, "invalid_client", 7000218, "The request body must contain client_assertion or client_secret."
    expires = sim.credentials.secrets.get(str(form.get("client_secret")))
    if expires is None:
        yield 401, "invalid_client", 7000215, "Invalid client secret provided."
    elif expires <= now:
        yield 401, "invalid_client", 7000222, "The provided client secret keys for the app are expired."


def grant(sim: "Simulation", *, tenant: str, form: Mapping[str, Any], origin: str) -> web.Response:
    """Answer ``POST /{tenant}/oauth2/v2.0/token``: a bearer token for the right secret, an AADSTS error otherwise."""
    refusal = next(refusals(sim, tenant=tenant, form=form, origin=origin), None)
    if refusal is not None:
        return failure(*refusal)
    wanted = sim.directory.tenant
    now, life = sim.clock.now(), sim.knobs.access_token_lifetime
    claims = {
        "aud": str(form["scope"]).removesuffix("/.default"),
        "iss": f"https://sts.windows.net/{wanted.id}/",
        "iat": int(now),
        "exp": now + life,
        "appid": wanted.client_id,
        "tid": wanted.id,
        "roles": list(sim.knobs.permissions),
        "uti": secrets.token_hex(8),
    }
    token = {
        "token_type": "Bearer",
        "expires_in": int(life),
        "ext_expires_in": int(life),
        "access_token": sim.access.issue(claims),
    }
    return web.Response(
        body=orjson.dumps(token), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def discovery(sim: "Simulation", *, tenant: str, origin: str) -> web.Response:
    """Answer ``GET /{tenant}/v2.0/.well-known/openid-configuration``; 400 for a tenant that is not here."""
    if tenant.casefold() != sim.directory.tenant.id:
        return failure(400, "invalid_tenant", 90002, f"Tenant '{tenant[:60]}' not found.")
    base = f"{origin}/{tenant}"
    document = {
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "issuer": f"{base}/v2.0",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
    }
    return web.Response(body=orjson.dumps(document), content_type="application/json")
