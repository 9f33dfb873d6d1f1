"""Opening the source that a job names: its gateway, its credentials, and the gate that jobs of one application share."""

import asyncio
from pathlib import Path

from services.assignment_watcher.graph.gateway import MOST_AT_ONCE, Graph
from services.assignment_watcher.graph.retries import Gate, Patience
from services.assignment_watcher.graph.tokens.opening import CLIENT_SECRET, open_tokens
from services.assignment_watcher.sources.microsoft_graph import MicrosoftGraph
from services.assignment_watcher.sources.snapshot import Snapshot
from services.assignment_watcher.sources.source import Source
from shared.contracts.job import SnapshotSource
from shared.contracts.message import ObjectType
from shared.runtime.frame import Frame
from shared.runtime.http import HttpClient
from shared.runtime.jobs import Job

__all__ = ["CLIENT_SECRET", "Gates", "JobSources"]

Gates = dict[tuple[str, str, str], Gate]
"""The gate of each application in each tenant, by the root of Graph, the tenant's id and the client's id."""


class JobSources:
    """Opens sources over one HTTP client. ``gates`` are shared by all who may ask in the name of the same application."""

    def __init__(
        self,
        http: HttpClient,
        patience: Patience,
        *,
        gates: Gates | None = None,
        snapshot_folder: Path | None = None,
        snapshot_bytes: int = 256_000_000,
    ) -> None:
        self._http = http
        self._snapshot_folder = snapshot_folder
        self._snapshot_bytes = snapshot_bytes
        self._patience = patience
        self._gates: Gates = {} if gates is None else gates
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    def open(self, frame: Frame, job: Job) -> Source:
        """Return the source of ``job``. What is wrong with its credentials shows when it is read."""
        source = job.definition.source
        if isinstance(source, SnapshotSource):
            return Snapshot(
                source,
                job.source_attributes(ObjectType.USER),
                folder=self._snapshot_folder,
                limit_bytes=self._snapshot_bytes,
            )
        application = (source.graph_root.rstrip("/").lower(), source.tenant_id.lower(), source.client_id.lower())
        gate = self._gates.setdefault(application, Gate())
        graph = Graph(
            source.graph_root,
            tokens=open_tokens(frame, job, source, http=self._http, patience=self._patience),
            http=self._http,
            gate=gate,
            patience=self._patience,
            slots=self._slots,
        )
        return MicrosoftGraph(
            graph,
            source,
            job.source_attributes(ObjectType.USER),
            group_attributes=job.source_attributes(ObjectType.GROUP),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()
