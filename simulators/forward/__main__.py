"""``python -m simulators.forward 8081=simulator-graph:8081 …``: listens on 127.0.0.1 and passes bytes on until it is stopped."""

import argparse
import asyncio
import signal
from contextlib import suppress

CHUNK_BYTES = 65_536


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    with suppress(ConnectionError, OSError):
        writer.close()


async def forward(rule: str) -> asyncio.Server:
    """Listen as ``PORT=HOST:PORT`` says. Raises ``ValueError`` for another form and ``OSError`` when the port is taken."""
    listen, _, peer = rule.partition("=")
    host, _, port = peer.rpartition(":")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))

    return await asyncio.start_server(connected, "127.0.0.1", int(listen))


async def _main() -> None:
    parser = argparse.ArgumentParser(description="Forward loopback ports to other hosts.")
    parser.add_argument("rules", nargs="+", metavar="PORT=HOST:PORT")
    rules = parser.parse_args().rules
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    servers = [await forward(rule) for rule in rules]
    await stop.wait()
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(_main())
