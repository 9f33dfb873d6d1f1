"""The gateway to one SCIM target: the only module of scim-writer with a socket."""

from services.scim_writer.answers import Reply
from services.scim_writer.requests import ScimRequest
from services.scim_writer.settings import ScimWriterSettings
from shared.contracts.failure_codes import Code, failure
from shared.contracts.outcomes import Failure
from shared.runtime.http import HttpClient, HttpError, Limits, TimedOutError
from shared.runtime.jobs import Job
from shared.runtime.secrets import SecretBox, SecretUnreadableError

SECRET = "secretToken"  # noqa: S105 - the name of a field, not its value
ACCEPT = "application/scim+json, application/json"
CONTENT_TYPE = "application/scim+json"


class CredentialsMissingError(Exception):
    """There is no secret token that could be used; ``failure`` says what to do."""

    def __init__(self, reason: Failure) -> None:
        super().__init__(reason.message)
        self.failure = reason


def read_token(job: Job, secrets: SecretBox) -> str:
    """Return the secret token of a job; raise ``CredentialsMissingError`` when there is none or it cannot be read."""
    ciphertext = job.secrets.get(SECRET)
    if not ciphertext:
        raise CredentialsMissingError(failure(Code.UNAUTHORIZED, "No Secret Token is saved for this job."))
    try:
        token = secrets.decrypt(ciphertext, job_id=job.job_id, field=SECRET)
    except SecretUnreadableError as error:
        raise CredentialsMissingError(failure(Code.UNAUTHORIZED, str(error))) from None
    except ValueError:
        raise CredentialsMissingError(
            failure(Code.UNAUTHORIZED, f"{SECRET}: is damaged; save the secret again")
        ) from None
    if not token.isascii() or not token.isprintable():
        raise CredentialsMissingError(
            failure(Code.UNAUTHORIZED, f"{SECRET}: holds characters that no token has; save it again")
        )
    return token


class ScimTarget:
    """Sends prepared requests to the Tenant URL of one job. Open it inside a running event loop; close it at the end."""

    def __init__(self, settings: ScimWriterSettings) -> None:
        self._http = HttpClient(
            "target",
            allow_insecure_loopback=settings.allow_insecure_loopback,
            limits=Limits(
                connections=settings.scim_writer_max_in_flight, total_seconds=settings.scim_writer_request_seconds
            ),
        )
        self._url = ""
        self._reading: dict[str, str] = {}
        self._writing: dict[str, str] = {}

    def point_at(self, tenant_url: str, token: str) -> None:
        """Use this address and secret token from now on."""
        self._url = tenant_url
        self._reading = {"Accept": ACCEPT, "Authorization": f"Bearer {token}"}
        self._writing = {**self._reading, "Content-Type": CONTENT_TYPE}

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def send(self, request: ScimRequest) -> Reply:
        """Send one request and return what came back; no error of the network is raised, it is a reply without a status."""
        try:
            answer = await self._http.request(
                request.method,
                self._url + request.path,
                headers=self._reading if request.body is None else self._writing,
                body=request.body,
            )
        except HttpError as error:
            return Reply(
                status=None,
                trouble=f"{error}.",
                timed_out=isinstance(error, TimedOutError),
                maybe_done=error.maybe_done,
            )
        return Reply(status=answer.status, headers=answer.headers, body=answer.body, duration_ms=answer.duration_ms)
