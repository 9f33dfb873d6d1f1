"""Client assertions: a JWT that the application signed, or one of another issuer ("Microsoft identity platform application
authentication certificate credentials", "Workload identity federation")."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from simulators.graph.credentials import Credentials, PublicKey

BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LEEWAY_SECONDS = 300.0

Problem = tuple[int, str]
"""The AADSTS number and the message."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """A JWT that was read but not believed yet."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def judge(
    credentials: Credentials, text: str, *, client_id: str, audiences: frozenset[str], now: float
) -> Problem | None:
    """What is wrong with an assertion, or ``None``. One that the application signed itself is good for one time only."""
    jwt = read(text)
    if jwt is None:
        return 50027, "The client assertion is no JWT."
    if jwt.claims.get("iss") != client_id:
        return next(_federated(credentials, jwt, now), None)
    problem = next(_signed_by_client(credentials, jwt, client_id, audiences, now), None)
    if problem is None:
        credentials.used.add(str(jwt.claims["jti"]))
    return problem


def _signed_by_client(
    credentials: Credentials, jwt: Assertion, client_id: str, audiences: frozenset[str], now: float
) -> Iterator[Problem]:
    invalid = "Client assertion contains an invalid signature. [Reason - {}]"
    if jwt.claims.get("sub") != client_id:
        yield 700021, "Client assertion application identifier doesn't match 'client_id' parameter."
    thumbprint = _decode(str(jwt.header.get("x5t#S256") or jwt.header.get("x5t") or ""))
    found = next((one for one in credentials.certificates if thumbprint in one.thumbprints), None)
    if found is None:
        yield 700027, invalid.format("The key was not found.")
    elif found.expires <= now:
        yield 700027, invalid.format("The key used is expired.")
    elif not verified(jwt, found.key):
        yield 700027, invalid.format("The provided signature value did not match the expected signature value.")
    if jwt.claims.get("aud") not in audiences:
        yield 700023, "Client assertion audience claim does not match Realm issuer."
    yield from _out_of_time(jwt, now)
    name = jwt.claims.get("jti")
    if not isinstance(name, str) or name in credentials.used:
        yield 50013, "Assertion failed validation: its jti is missing or was used before."


def _federated(credentials: Credentials, jwt: Assertion, now: float) -> Iterator[Problem]:
    issuer, subject, audience = (jwt.claims.get(name) for name in ("iss", "sub", "aud"))
    audience = audience[0] if isinstance(audience, list) and len(audience) == 1 else audience
    missing = "No matching federated identity record found for presented assertion {}."
    issued = [one for one in credentials.federated if one.issuer == issuer]
    found = next((one for one in issued if one.subject == subject), None)
    if not issued:
        yield 700211, missing.format("issuer")
    elif found is None:
        yield 700213, missing.format("subject")
    elif found.audience != audience:
        yield 700212, missing.format("audience")
    elif not verified(jwt, found.key):
        yield 700027, "Client assertion contains an invalid signature."
    yield from _out_of_time(jwt, now)


def _out_of_time(jwt: Assertion, now: float) -> Iterator[Problem]:
    until, since = jwt.claims.get("exp"), jwt.claims.get("nbf", 0)
    if (
        not isinstance(until, int | float)
        or not isinstance(since, int | float)
        or not since - LEEWAY_SECONDS <= now < until
    ):
        yield 700024, "Client assertion is not within its valid time range."


def read(text: str) -> Assertion | None:
    """The parts of a compact JWT; ``None`` when it is none."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    header, claims, signature = (_decode(part) for part in parts)
    try:
        opened = [orjson.loads(part or b"") for part in (header, claims)]
    except orjson.JSONDecodeError:
        return None
    if not all(isinstance(part, dict) for part in opened) or signature is None:
        return None
    return Assertion(opened[0], opened[1], text.rpartition(".")[0].encode(), signature)


def verified(jwt: Assertion, key: PublicKey) -> bool:
    """Whether the signature (RS256, PS256 or ES256) is that of the key."""
    algorithm = jwt.header.get("alg")
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm == "RS256":
            key.verify(jwt.signature, jwt.signed, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, rsa.RSAPublicKey) and algorithm == "PS256":
            salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            key.verify(jwt.signature, jwt.signed, salted, hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm == "ES256" and len(jwt.signature) == 64:
            first, second = (int.from_bytes(half, "big") for half in (jwt.signature[:32], jwt.signature[32:]))
            key.verify(encode_dss_signature(first, second), jwt.signed, ec.ECDSA(hashes.SHA256()))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _decode(text: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
