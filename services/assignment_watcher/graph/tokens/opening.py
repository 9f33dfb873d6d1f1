"""Choosing the credential and the way to ask that a job names."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.assignment_watcher.graph.retries import Patience
from services.assignment_watcher.graph.tokens.credentials import (
    FEDERATED_TOKEN_FILE,
    ClientCertificate,
    ClientSecret,
    Credential,
    CredentialError,
    FederatedToken,
)
from services.assignment_watcher.graph.tokens.plain import PlainTokenRequest
from services.assignment_watcher.graph.tokens.provider import KeptTokens, NoTokens, TokenProvider
from services.assignment_watcher.graph.tokens.through_msal import MsalTokenRequest
from shared.contracts.job import Credential as CredentialKind
from shared.contracts.job import MicrosoftGraphSource
from shared.runtime.errors import StartRefusedError
from shared.runtime.frame import Frame
from shared.runtime.http import HttpClient
from shared.runtime.jobs import Job
from shared.runtime.secrets import SecretUnreadableError

CLIENT_SECRET: Final = "clientSecret"  # noqa: S105 - the name of the field, not a secret
CLIENT_CERTIFICATE: Final = "clientCertificate"
SECRET_EXPIRES: Final = "clientSecretExpiresAt"  # noqa: S105 - the name of the field, not a secret


def open_tokens(
    frame: Frame, job: Job, source: MicrosoftGraphSource, *, http: HttpClient, patience: Patience
) -> TokenProvider:
    """Return the tokens of the application that ``source`` names. What is wrong with its credential shows when one is asked for."""
    try:
        credential = _credential(frame, job, source.credential)
        expires = _moment(_secret(frame, job, SECRET_EXPIRES))
    except CredentialError as error:
        return NoTokens(str(error), error.advice)
    except (SecretUnreadableError, StartRefusedError) as error:
        return NoTokens(str(error))
    # The HTTP client lets plain http pass for loopback addresses only, and only when that was allowed.
    way = PlainTokenRequest if source.login_root.lower().startswith("http://") else MsalTokenRequest
    return KeptTokens(way(source, credential, http=http), patience=patience, secret_expires=expires)


def _credential(frame: Frame, job: Job, kind: CredentialKind) -> Credential:
    if kind is CredentialKind.WORKLOAD_IDENTITY:
        path = os.environ.get(FEDERATED_TOKEN_FILE)
        if not path:
            raise CredentialError(
                f"source.credential is workloadIdentity, and {FEDERATED_TOKEN_FILE} is not set for the watcher",
                "Run the watcher where workload identity mounts a token, or give the job another credential.",
            )
        return FederatedToken(Path(path))
    name = CLIENT_CERTIFICATE if kind is CredentialKind.CLIENT_CERTIFICATE else CLIENT_SECRET
    text = _secret(frame, job, name)
    if text is None:
        words = "client certificate" if name == CLIENT_CERTIFICATE else "client secret"
        raise CredentialError(f"the job has no {words}", f"Save it as {name}.")
    return ClientCertificate.from_pem(text, datetime.now(UTC)) if name == CLIENT_CERTIFICATE else ClientSecret(text)


def _secret(frame: Frame, job: Job, name: str) -> str | None:
    ciphertext = job.secrets.get(name)
    return None if ciphertext is None else frame.secrets.decrypt(ciphertext, job_id=job.job_id, field=name)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip()) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
