"""`python -m simulators.mail`: listen, say where in one line of JSON, stop at SIGTERM or SIGINT."""

import argparse
import asyncio
import json
import logging
import signal
import sys

import uvloop

from simulators.mail.server import MailSimulator


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal comes; 1 when a port is taken."""
    parser = argparse.ArgumentParser(prog="python -m simulators.mail", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--smtp-port", type=int, default=0, help="SMTP port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--http-port", type=int, default=0, help="HTTP port; 0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--max-messages", type=int, default=10_000, help="how many messages are kept (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    try:
        uvloop.run(_serve(options))
    except OSError as error:
        sys.stderr.write(f"Cannot listen on {options.host}: {error.strerror}. Choose other ports.\n")
        return 1
    return 0


async def _serve(options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    simulator = await MailSimulator.start(
        host=options.host, smtp_port=options.smtp_port, http_port=options.http_port, max_messages=options.max_messages
    )
    place = {"name": "mail", "smtpUrl": simulator.smtp_url, "url": simulator.url}
    sys.stdout.write(json.dumps(place, separators=(",", ":")) + "\n")
    sys.stdout.flush()
    await stopped.wait()
    await simulator.close()


if __name__ == "__main__":
    raise SystemExit(main())
