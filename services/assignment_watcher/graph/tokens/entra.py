"""What a refusal of the token endpoint means ("Microsoft Entra authentication and authorization error codes"), in sentences with advice."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from services.assignment_watcher.graph.refusals import advised
from services.assignment_watcher.sources.source import SourceError, SourceMisconfiguredError, SourceRefusedError

_CLOUD: Final = "Check that source.graphRoot and source.loginRoot of the job belong to the same cloud."
_TENANT: Final = (
    "Check source.tenantId of the job: it is the directory (tenant) id on the overview page of Microsoft Entra."
)
_CLIENT: Final = "Check source.clientId of the job: it is the application (client) id of an app registration in the tenant source.tenantId."
_FEDERATED: Final = (
    "Compare issuer, subject and audience of the federated credential in the app registration with those of the token that the watcher's "
    "pod is given."
)

SECRET_EXPIRED: Final = 7000222
REFUSED: Final[Mapping[int, tuple[str, str]]] = {
    7000215: ("the client secret is wrong", "Save the value of the client secret, not its id, as clientSecret."),
    SECRET_EXPIRED: (
        "the client secret has expired",
        "Make a new client secret in the app registration and save its value as clientSecret.",
    ),
    7000218: (
        "the request held no client credential",
        "Save clientSecret, or clientCertificate, as source.credential of the job says.",
    ),
    7000112: ("the application is disabled in the tenant", "Enable the enterprise application of source.clientId."),
    700027: (
        "the client certificate is not known to the app registration, or its signature is wrong",
        "Upload the certificate, without its private key, to the app registration; save both together as clientCertificate.",
    ),
    700024: ("the client assertion is not valid now", "Check the clock of the watcher's machine."),
    700016: ("the client id is not known in this tenant", _CLIENT),
    7000229: (
        "the application has no service principal in this tenant",
        "Grant admin consent for the application in the tenant.",
    ),
    70021: ("no federated credential of the application matches the token", _FEDERATED),
    700211: ("no federated credential of the application has the issuer of the token", _FEDERATED),
    700212: ("no federated credential of the application has the audience of the token", _FEDERATED),
    700213: ("no federated credential of the application has the subject of the token", _FEDERATED),
    53003: (
        "a Conditional Access policy blocks the application",
        "Exclude the application from the policy, or let it run from an allowed place.",
    ),
}
"""Refusals of the client itself, by AADSTS number."""
MISCONFIGURED: Final[Mapping[int, tuple[str, str]]] = {
    90002: ("the tenant does not exist", _TENANT),
    900023: ("the tenant id is malformed", _TENANT),
    70011: ("the scope is not valid: the login root does not know the Graph root", _CLOUD),
    500011: ("the tenant does not know the Graph root", _CLOUD),
}
"""What the job names and is not there, by AADSTS number."""


def refusal(status: int, body: bytes, secret_expires: datetime | None, now: datetime) -> SourceError | None:
    """Return why the token endpoint will go on saying no, or nothing when asking again may help.

    ``secret_expires`` is when the client secret ends, where the job says so. No text of the answer goes into the error.
    """
    if not 400 <= status < 500 or status in {408, 429}:
        return None
    for number in _numbers(body):
        if number in MISCONFIGURED:
            what, advice = MISCONFIGURED[number]
            return advised(SourceMisconfiguredError(f"{what} (AADSTS{number})", http_status=status), advice)
        if number in REFUSED:
            what, advice = REFUSED[number]
            if secret_expires is not None and number == SECRET_EXPIRED:
                what = f"{what}, on {secret_expires:%Y-%m-%d}"
            elif secret_expires is not None and number == 7000215 and secret_expires <= now:
                what = f"{what}, and expired on {secret_expires:%Y-%m-%d}"
            return advised(SourceRefusedError(f"{what} (AADSTS{number})", http_status=status), advice)
    numbers = _numbers(body)
    which = f"AADSTS{numbers[0]}" if numbers else f"status {status}"
    return SourceRefusedError(f"the token endpoint refused the client credentials ({which})", http_status=status)


def _numbers(body: bytes) -> list[int]:
    """Return the AADSTS numbers: those of ``error_codes``, else the first one in the text."""
    try:
        content: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    codes = content.get("error_codes") if isinstance(content, dict) else None
    numbers = [code for code in codes if type(code) is int and 0 < code < 10**9] if isinstance(codes, list) else []
    if not numbers and (found := re.search(rb"AADSTS(\d{1,9})", body)):
        numbers = [int(found[1])]
    return numbers
