"""The TCP ports of a data folder: chosen once, then kept, because Kafka tells its clients its own address."""

import random
import socket
from pathlib import Path

import orjson
import psutil

from deploy.embedded.data_folder import DataFolder, write_whole
from deploy.embedded.errors import EmbeddedError

# Below the range from which systems give ports to outgoing connections, or a kept port would be taken by chance.
_FIRST, _LAST = 20_000, 29_999


def ports(folder: DataFolder, *names: str) -> dict[str, int]:
    """The ports of 127.0.0.1 kept under these names, each free at this moment.

    Raises `EmbeddedError` when a port that was kept is now used by another program.
    """
    file = folder.path / "ports.json"
    kept: dict[str, int] = orjson.loads(file.read_bytes()) if file.exists() else {}
    for name in names:
        if name not in kept:
            kept[name] = _free_port(set(kept.values()))
            write_whole(file, orjson.dumps(kept).decode())
        elif not _is_free(kept[name]):
            raise _busy(name, kept[name], file)
    return {name: kept[name] for name in names}


def _free_port(taken: set[int]) -> int:
    for _ in range(1000):
        port = random.randint(_FIRST, _LAST)  # noqa: S311 - a port number is no secret
        if port not in taken and _is_free(port):
            return port
    raise EmbeddedError(f"No free port was found between {_FIRST} and {_LAST} on 127.0.0.1. Stop some programs.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _busy(name: str, port: int, file: Path) -> EmbeddedError:
    try:
        holders = {
            connection.pid
            for connection in psutil.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN and connection.pid and tuple(connection.laddr)[1:] == (port,)
        }
    except psutil.Error:
        holders = set()
    holder = f"process {holders.pop()}" if holders else "another program"
    return EmbeddedError(
        f"Port {port}, which this data folder keeps for {name}, is in use by {holder}. "
        f"Stop that program, or delete {file} to have new ports chosen."
    )
