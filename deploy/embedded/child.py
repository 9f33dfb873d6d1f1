"""One life of one process: from its start to its end, with its output kept in a log."""

import asyncio
import os
import subprocess
import sys
from asyncio import Future, Task
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import orjson

from deploy.embedded import launch, trees
from deploy.embedded.logs import BoundedLog
from deploy.embedded.process import Process, Running

_LONGEST_READY_LINE_BYTES = 1 << 20
_POLL_SECONDS = 0.05


class Child:
    """A started program. It leads a session and a process group of its own, so a Ctrl-C in the terminal does not reach it.

    `ended` becomes the exit code (minus the signal number when a signal ended it). `announced` becomes the JSON object of the
    ready line. `cpu_seconds` is what it used in all, once it ended.
    """

    def __init__(self, process: Process, log: BoundedLog) -> None:
        account = "{}:{}".format(*process.account) if process.account else "-"
        self.process = process
        self.log = log
        self.popen = subprocess.Popen(  # noqa: S603 - argv comes from our own code, and no shell is involved
            [
                *(sys.executable, "-I", "-S", str(Path(launch.__file__))),
                *(str(os.getpid()), account, str(int(process.death_signal)), *process.argv),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if process.ready_line else subprocess.STDOUT,
            env=dict(process.env),
            cwd=process.cwd or "/",
            start_new_session=True,
        )
        self.pid = self.popen.pid
        self.started = datetime.now(UTC)
        self.cpu_seconds = 0.0
        loop = asyncio.get_running_loop()
        self.ended: Future[int] = loop.create_future()
        self.announced: Future[dict[str, Any]] = loop.create_future()
        self._tasks: list[Task[None]] = [asyncio.create_task(self._drain(stream)) for stream in self._streams()]
        self._look()

    def _streams(self) -> list[IO[bytes]]:
        return [stream for stream in (self.popen.stdout, self.popen.stderr) if stream is not None]

    def running(self) -> Running:
        """This child as it is now."""
        announced = self.announced.result() if self.announced.done() and not self.announced.cancelled() else None
        return Running(name=self.process.name, pid=self.pid, started=self.started, announced=announced)

    def used_cpu_seconds(self) -> float:
        """Of the whole tree so far; after the end, in all."""
        return self.cpu_seconds if self.ended.done() else trees.cpu_seconds(self.pid)

    def kill(self) -> None:
        """SIGKILL to the program and everything it started. Returns at once; await `ended`."""
        if not self.ended.done():
            trees.kill(self.pid)

    async def stop(self) -> int:
        """The polite signal, SIGKILL after the grace time; returns the exit code once nothing of the tree is left."""
        if not self.ended.done():
            with suppress(ProcessLookupError):
                os.kill(self.pid, self.process.stop_signal)
            done, _ = await asyncio.wait([self.ended], timeout=self.process.grace_seconds)
            if not done:
                self.kill()
        code = await asyncio.shield(self.ended)
        await self.finish()
        return code

    async def finish(self) -> None:
        """After the end: takes the last of its output into the log and closes its pipes."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=1)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            self._tasks.clear()
        for stream in self._streams():
            stream.close()
        if not self.announced.done():
            self.announced.cancel()

    def _look(self) -> None:
        # Not asyncio's child watcher: wait4 tells the processor time of the whole life, restarted predecessors included.
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            self.ended.get_loop().call_later(_POLL_SECONDS, self._look)
            return
        # What it left behind in its group ends now, while the unreaped process still keeps its number from being used again.
        trees.kill(self.pid)
        _, status, spent = os.wait4(self.pid, 0)
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = spent.ru_utime + spent.ru_stime
        self.ended.set_result(self.popen.returncode)

    async def _drain(self, stream: IO[bytes]) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stream)
        awaited = bytearray() if self.process.ready_line and stream is self.popen.stdout else None
        try:
            while data := await reader.read(65_536):
                self.log.write(data)
                if awaited is not None:
                    awaited += data
                    if self._found_ready_line(awaited) or len(awaited) > _LONGEST_READY_LINE_BYTES:
                        awaited = None
        finally:
            transport.close()

    def _found_ready_line(self, awaited: bytearray) -> bool:
        """Takes whole lines off `awaited` until one is a JSON object."""
        while (end := awaited.find(b"\n")) >= 0:
            line = bytes(awaited[:end])
            del awaited[: end + 1]
            try:
                document = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(document, dict):
                self.announced.set_result(document)
                return True
        return False
