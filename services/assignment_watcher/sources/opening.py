"""Opening the source that a job names: its gateway, its credentials, and the gate that jobs of one application share."""

from services.assignment_watcher.graph import Graph
from services.assignment_watcher.retries import Gate, Patience
from services.assignment_watcher.sources.microsoft_graph import MicrosoftGraph
from services.assignment_watcher.sources.source import Source
from services.assignment_watcher.tokens import ClientSecretTokens, NoTokens, TokenProvider
from shared.runtime.errors import StartRefusedError
from shared.runtime.frame import Frame
from shared.runtime.http import HttpClient
from shared.runtime.jobs import Job
from shared.runtime.secrets import SecretUnreadableError

CLIENT_SECRET = "clientSecret"  # noqa: S105 - the name of the field, not a secret


class JobSources:
    """Opens sources over one HTTP client."""

    def __init__(self, http: HttpClient, patience: Patience) -> None:
        self._http = http
        self._patience = patience
        self._gates: dict[tuple[str, str, str], Gate] = {}

    def open(self, frame: Frame, job: Job) -> Source:
        """Return the source of ``job``. What is wrong with its credentials shows when it is read."""
        source = job.definition.source
        gate = self._gates.setdefault((source.graph_root, source.tenant_id, source.client_id), Gate())
        graph = Graph(
            source.graph_root,
            tokens=self._tokens(frame, job),
            http=self._http,
            gate=gate,
            patience=self._patience,
        )
        return MicrosoftGraph(graph, source, job.template.source_attributes)

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    def _tokens(self, frame: Frame, job: Job) -> TokenProvider:
        ciphertext = job.secrets.get(CLIENT_SECRET)
        if ciphertext is None:
            return NoTokens("the job has no client secret; save it as clientSecret")
        try:
            secret = frame.secrets.decrypt(ciphertext, job_id=job.job_id, field=CLIENT_SECRET)
        except (SecretUnreadableError, StartRefusedError) as error:
            return NoTokens(str(error))
        return ClientSecretTokens(job.definition.source, secret, http=self._http, patience=self._patience)
