"""What a supervisor is asked to run, and what it tells about it. Values only."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One program to keep running.

    * `argv[0]` is an absolute path. `env` is the whole environment: nothing is inherited.
    * `ready` is asked until it says yes (an `OSError` counts as no). `ready_line`: the program prints one JSON object in a line of
      its own on standard output; it is handed on as `Running.announced`. With neither, a started program counts as ready.
    * `death_signal` is what it gets when the supervisor is gone without a word. SIGKILL, unless it has to end others that nobody
      else knows of; it gets SIGKILL some seconds later then.
    * `layer` orders the end: higher layers are stopped first, all of a layer at once. Servers that others need have layer 0.
    * `account` is the (uid, gid) to become; only root may ask for another.
    * A restarted program gets the same arguments: one that picks its own port announces another one.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    ready: Callable[[], Awaitable[bool]] | None = None
    ready_line: bool = False
    restart: bool = True
    ready_timeout_seconds: float = 60
    stop_signal: Signals = SIGTERM
    death_signal: Signals = SIGKILL
    grace_seconds: float = 15
    layer: int = 1
    account: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A started process as it is at one moment."""

    name: str
    pid: int
    started: datetime
    announced: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUsage:
    """What one process, with everything it started, has used.

    `rss_mib`: resident memory, now; memory that several processes of one tree share is counted once where the system tells
    (0 while it is down). `cpu_seconds`: user and system time including predecessors that were restarted.
    """

    name: str
    pid: int
    started: datetime
    rss_mib: float
    cpu_seconds: float
    restarts: int

    def document(self) -> dict[str, Any]:
        """The same as JSON: `name`, `pid`, `started` (RFC 3339), `rssMiB`, `cpuSeconds`, `restarts`."""
        return {
            "name": self.name,
            "pid": self.pid,
            "started": self.started.isoformat(),
            "rssMiB": round(self.rss_mib, 1),
            "cpuSeconds": round(self.cpu_seconds, 2),
            "restarts": self.restarts,
        }
