"""What every read of one cycle needs."""

from dataclasses import dataclass

from services.assignment_watcher.mirror.staging import Staging
from services.assignment_watcher.sources.source import Source
from services.assignment_watcher.store import Watch
from shared.runtime.frame import Frame
from shared.runtime.leases import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One cycle: what is read, how far it was read before, under which lease, and where pages are put aside."""

    frame: Frame
    source: Source
    watch: Watch
    lease: Lease
    staging: Staging
