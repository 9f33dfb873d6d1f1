"""Processes that an earlier run left behind because it was killed: recognised by pid and start time, and ended."""

from contextlib import suppress
from pathlib import Path

import orjson
import psutil

from deploy.embedded import trees
from deploy.embedded.errors import EmbeddedError

_SAME_START_SECONDS = 1.0
_END_WITHIN_SECONDS = 10


def end_leftovers(record: Path) -> list[str]:
    """Ends the processes that the record names and that still run; returns their names and removes the record.

    A pid that now belongs to another program is left alone: its start time differs. Raises `EmbeddedError` when one does not end.
    """
    try:
        rows = orjson.loads(record.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        rows = []
    ended = []
    for row in rows:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(row["pid"])
            if abs(process.create_time() - row["created"]) > _SAME_START_SECONDS:
                continue
            family = [process, *trees.descendants(process.pid)]
            trees.kill(process.pid)
            _, alive = psutil.wait_procs(family, timeout=_END_WITHIN_SECONDS)
            if alive:
                raise EmbeddedError(
                    f"Process {alive[0].pid} of an earlier run ({row['name']}) does not end. End it by hand and start again."
                )
            ended.append(str(row["name"]))
    record.unlink(missing_ok=True)
    return ended


def end_leftover_postgres(data: Path) -> None:
    """Ends a PostgreSQL that still works on this folder, and removes its pid file when no such server is alive.

    A killed server leaves the file, and its pid may by now be another program's (after a restart of a container it often is): the
    server would then refuse to start. Call it with the data folder locked.
    """
    pid_file = data / "postmaster.pid"
    try:
        process = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        is_ours = process.name() == "postgres" and str(data) in process.cmdline()
    except (OSError, ValueError, psutil.Error):
        is_ours = False
    if is_ours:
        family = [process, *trees.descendants(process.pid)]
        trees.kill(process.pid)
        psutil.wait_procs(family, timeout=_END_WITHIN_SECONDS)
    pid_file.unlink(missing_ok=True)
