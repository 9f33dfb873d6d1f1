"""Starts, watches, restarts and stops the processes of one machine. Nothing it started survives it, however it ends."""

import asyncio
import logging
import os
import subprocess
import sys
import tempfile
from asyncio import Task
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson
import psutil

from deploy.embedded import guard, trees
from deploy.embedded.child import Child
from deploy.embedded.errors import EmbeddedError, last_words, refused
from deploy.embedded.logs import BoundedLog
from deploy.embedded.process import Process, ProcessUsage, Running

_log = logging.getLogger(__name__)
_READY_POLL_SECONDS = 0.05


@dataclass(slots=True)
class _Entry:
    process: Process
    log: BoundedLog
    child: Child
    keeper: Task[None] | None = None
    restarts: int = 0
    became_ready: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """A process that died comes back after `first_delay_seconds`, doubled at each further death up to the longest.

    One that ran for `steady_seconds` begins anew.
    """

    first_delay_seconds: float = 0.2
    longest_delay_seconds: float = 10
    steady_seconds: float = 30

    def delay_seconds(self, previous: float, lived: float) -> float:
        """The next delay, after `previous` seconds of delay (0: none yet) and a life of `lived` seconds."""
        if previous == 0 or lived >= self.steady_seconds:
            return self.first_delay_seconds
        return min(previous * 2, self.longest_delay_seconds)


class Supervisor:
    """Keeps processes running, as an async context manager: leaving it stops them, higher layers first.

    `log_folder` gets one `<name>.log` for each process, bounded by `log_limit_bytes` (twice that on disk). `record`, when given, is
    a file that lists the running processes by pid and start time, so that the next run can end what this one left behind.
    Each child ends with this process (parent death signal, and a guard process for the rest), even after SIGKILL. Use it from one
    event loop, in a thread that lives as long as the children shall.
    """

    def __init__(
        self,
        *,
        log_folder: Path,
        record: Path | None = None,
        log_limit_bytes: int = 5 << 20,
        restarts: RestartPolicy | None = None,
    ) -> None:
        self._log_folder = log_folder
        self._record = record
        self._log_limit = log_limit_bytes
        self._policy = restarts or RestartPolicy()
        self._entries: dict[str, _Entry] = {}
        self._spent: dict[str, float] = {}
        self._guard: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self._start_guard()
        return self

    def _start_guard(self) -> None:
        self._guard = subprocess.Popen(  # noqa: S603 - our own script, no shell
            [sys.executable, "-I", "-S", str(Path(guard.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for layer in sorted({entry.process.layer for entry in self._entries.values()}, reverse=True):
                names = [name for name, entry in self._entries.items() if entry.process.layer == layer]
                await asyncio.gather(*(self.stop(name) for name in names))
        finally:
            for entry in self._entries.values():
                entry.child.kill()
            if self._guard is not None and self._guard.stdin is not None:
                with suppress(OSError):
                    self._guard.stdin.close()
                self._guard.wait()

    async def start(self, process: Process) -> Running:
        """Starts a process and returns once it is ready; from then on it is restarted when it dies (if `process.restart`).

        Raises `EmbeddedError` when it ends or stays silent before it is ready, `ValueError` when the name is in use.
        """
        if process.name in self._entries:
            raise ValueError(f"a process named {process.name} is running already")
        try:
            log = BoundedLog(self._log_folder / f"{process.name}.log", limit_bytes=self._log_limit)
        except OSError as error:
            raise refused(f"write logs into {self._log_folder}", error) from error
        entry = _Entry(process, log, self._spawn(process, log))
        self._entries[process.name] = entry
        self._write_record()
        try:
            await self._until_ready(entry)
        except BaseException:
            await self._remove(entry, polite=False)
            raise
        entry.keeper = asyncio.create_task(self._keep(entry), name=f"keep {process.name}")
        return entry.child.running()

    async def run(self, process: Process) -> int:
        """Runs a program to its end and returns the exit code; its output is in its log. Killed when this call is cancelled."""
        log = BoundedLog(self._log_folder / f"{process.name}.log", limit_bytes=self._log_limit)
        child = self._spawn(process, log)
        try:
            return await asyncio.shield(child.ended)
        finally:
            child.kill()
            await child.stop()
            self._tell_guard("-", child.pid)
            log.close()

    async def stop(self, name: str) -> None:
        """Stops a process for good: its polite signal, SIGKILL after its grace time. Does nothing when it is not there."""
        entry = self._entries.get(name)
        if entry is not None:
            await self._remove(entry, polite=True)

    async def restart(self, name: str) -> Running:
        """Stops a process politely, starts it again and returns once it is ready. Raises as `start` does, `KeyError` if unknown."""
        entry = self._entries[name]
        restarts = entry.restarts + 1
        await self._remove(entry, polite=True)
        running = await self.start(entry.process)
        self._entries[name].restarts = restarts
        return running

    def kill(self, name: str) -> int:
        """SIGKILL to the process and all it started, as a crash would; it is then restarted. Returns the pid that was killed."""
        entry = self._entries[name]
        entry.became_ready.clear()
        entry.child.kill()
        return entry.child.pid

    def running(self, name: str) -> Running:
        """The process as it is now; its pid changes with a restart. Raises `KeyError` when there is none."""
        return self._entries[name].child.running()

    async def ready(self, name: str) -> Running:
        """Waits until the process (restarted, perhaps) is ready. Raises `KeyError` when there is none."""
        entry = self._entries[name]
        await entry.became_ready.wait()
        return entry.child.running()

    def log_path(self, name: str) -> Path:
        """Where the output of that process goes."""
        return self._log_folder / f"{name}.log"

    def usage(self) -> list[ProcessUsage]:
        """What each process uses, in the order of their start."""
        return [
            ProcessUsage(
                name=name,
                pid=entry.child.pid,
                started=entry.child.started,
                rss_mib=trees.rss_mib(entry.child.pid),
                cpu_seconds=self._spent.get(name, 0.0) + entry.child.used_cpu_seconds(),
                restarts=entry.restarts,
            )
            for name, entry in self._entries.items()
        ]

    def _spawn(self, process: Process, log: BoundedLog) -> Child:
        try:
            child = Child(process, log)
        except OSError as error:
            raise refused(f"start {process.name}", error) from error
        self._tell_guard("+", child.pid, f" {int(process.death_signal)}")
        return child

    def _tell_guard(self, sign: str, group: int, more: str = "") -> None:
        if self._guard is None or self._guard.stdin is None:
            raise RuntimeError("enter the supervisor before starting a process")
        with suppress(OSError):
            self._guard.stdin.write(f"{sign}{group}{more}\n".encode())
            self._guard.stdin.flush()

    async def _until_ready(self, entry: _Entry) -> None:
        child, process = entry.child, entry.process
        ready = asyncio.create_task(self._ask_until_ready(child))
        events: list[asyncio.Future[None] | asyncio.Future[int]] = [ready, child.ended]
        try:
            await asyncio.wait(events, timeout=process.ready_timeout_seconds, return_when="FIRST_COMPLETED")
            if ready.done():
                ready.result()
                entry.became_ready.set()
                return
        finally:
            ready.cancel()
        where = f"Its log is {entry.log.path}."
        if child.ended.done():
            await child.finish()
            what = f"{process.name} ended (code {child.ended.result()}) before it was ready."
        else:
            what = f"{process.name} was not ready within {process.ready_timeout_seconds:g} s."
        raise EmbeddedError(" ".join(part for part in (what, last_words(entry.log.path), where) if part))

    async def _ask_until_ready(self, child: Child) -> None:
        if child.process.ready_line:
            await asyncio.shield(child.announced)
        if child.process.ready is not None:
            while True:
                with suppress(OSError):
                    if await child.process.ready():
                        return
                await asyncio.sleep(_READY_POLL_SECONDS)

    async def _keep(self, entry: _Entry) -> None:
        name, delay = entry.process.name, 0.0
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            code = await asyncio.shield(entry.child.ended)
            entry.became_ready.clear()
            await self._bury(entry)
            if not entry.process.restart:
                _log.info("%s ended with code %d", name, code)
                return
            delay = self._policy.delay_seconds(delay, loop.time() - begun)
            _log.warning("%s ended with code %d; it starts again in %.1f s", name, code, delay)
            await asyncio.sleep(delay)
            with suppress(EmbeddedError):
                entry.child = self._spawn(entry.process, entry.log)
                entry.restarts += 1
                self._write_record()
                try:
                    await self._until_ready(entry)
                except EmbeddedError as error:
                    _log.warning("%s", error)
                    entry.child.kill()

    async def _remove(self, entry: _Entry, *, polite: bool) -> None:
        if entry.keeper is not None:
            entry.keeper.cancel()
            await asyncio.gather(entry.keeper, return_exceptions=True)
        if not polite:
            entry.child.kill()
        await entry.child.stop()
        await self._bury(entry)
        self._entries.pop(entry.process.name, None)
        entry.log.close()
        self._write_record()

    async def _bury(self, entry: _Entry) -> None:
        child = entry.child
        await child.finish()
        self._tell_guard("-", child.pid)
        self._spent[entry.process.name] = self._spent.get(entry.process.name, 0.0) + child.cpu_seconds
        child.cpu_seconds = 0.0

    def _write_record(self) -> None:
        if self._record is None:
            return
        rows = []
        for name, entry in self._entries.items():
            with suppress(psutil.Error):
                rows.append(
                    {"name": name, "pid": entry.child.pid, "created": psutil.Process(entry.child.pid).create_time()}
                )
        with suppress(OSError):
            descriptor, draft = tempfile.mkstemp(dir=self._record.parent, prefix=self._record.name)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(orjson.dumps(rows))
            Path(draft).replace(self._record)
