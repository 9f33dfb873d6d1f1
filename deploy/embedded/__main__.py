"""`python -m deploy.embedded [--data-dir FOLDER]`: both servers in the foreground until Ctrl-C, for people who develop services.

Prints one JSON line with `databaseUrl` and `kafkaBootstrapServers` once both are ready; everything else goes to standard error.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import orjson

from deploy.embedded.data_folder import open_data_folder
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.servers import embedded_servers
from deploy.embedded.supervisor import Supervisor


async def _serve(data_dir: Path | None) -> None:
    stop = asyncio.Event()
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    ready = False

    def end() -> None:
        # Before the servers are up there is nothing to wait with: the start itself is given up.
        if ready or task is None:
            stop.set()
        else:
            task.cancel()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, end)
    with open_data_folder(data_dir) as folder:
        async with (
            Supervisor(log_folder=folder.logs, record=folder.processes) as supervisor,
            embedded_servers(folder, supervisor, report=_say) as servers,
        ):
            document = {"databaseUrl": servers.database_url, "kafkaBootstrapServers": servers.kafka_bootstrap_servers}
            sys.stdout.write(orjson.dumps(document).decode() + "\n")
            sys.stdout.flush()
            ready = True
            await stop.wait()


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")


def main() -> int:
    """Runs until Ctrl-C or SIGTERM. Exit code 1, and one sentence, when the servers cannot run here."""
    parser = argparse.ArgumentParser(prog="python -m deploy.embedded", description="A private Kafka and PostgreSQL.")
    parser.add_argument("--data-dir", type=Path, help="where they keep their data")
    try:
        asyncio.run(_serve(parser.parse_args().data_dir))
    except EmbeddedError as error:
        _say(str(error))
        return 1
    except asyncio.CancelledError:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
