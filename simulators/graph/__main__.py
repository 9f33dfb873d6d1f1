"""``python -m simulators.graph``: the Microsoft Graph simulator as a program of its own."""

import argparse
import asyncio
import gc
import signal
import sys
from pathlib import Path

import orjson
import uvloop

from simulators.graph.server import start


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m simulators.graph",
        description="A simulated Microsoft Graph and its token endpoint, over plain HTTP or TLS. Prints one JSON line with its"
        " url when it listens; stops at SIGTERM or SIGINT. It is steered over /_sim.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--users", type=int, default=0, metavar="N", help="users in the tenant (default: %(default)s)")
    parser.add_argument(
        "--groups", type=int, default=0, metavar="N", help="groups in the tenant (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="decides ids and names (default: %(default)s)")
    parser.add_argument(
        "--memberships", type=int, metavar="N", help="memberships in all (default: about one for each user)"
    )
    parser.add_argument(
        "--assignments", type=int, default=0, metavar="N", help="groups that are assigned (default: %(default)s)"
    )
    parser.add_argument(
        "--latency-ms",
        type=float,
        default=0.0,
        metavar="N",
        help="delay of each answer in milliseconds (default: %(default)s)",
    )
    parser.add_argument(
        "--tls",
        type=Path,
        metavar="FILE",
        help="speak TLS; the certificate of the authority that clients must trust is written to FILE",
    )
    return parser


async def serve(options: argparse.Namespace) -> None:
    """Listen until a signal comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    simulator = await start(
        host=options.host,
        port=options.port,
        users=options.users,
        groups=options.groups,
        seed=options.seed,
        memberships=options.memberships,
        assignments=options.assignments,
        latency_ms=options.latency_ms,
        tls_ca_file=options.tls,
    )
    sys.stdout.write(orjson.dumps({"name": "graph", "url": simulator.url}).decode() + "\n")
    sys.stdout.flush()
    await stop.wait()
    await simulator.close()


def main() -> int:
    """Run the program; returns its exit status."""
    parser = arguments()
    options = parser.parse_args()
    if min(options.users, options.groups, options.latency_ms, options.port) < 0:
        parser.error("--users, --groups, --latency-ms and --port must not be negative")
    if not 0 <= (options.memberships or 0) <= options.users * options.groups:
        parser.error("--memberships must be at most users times groups")
    if not 0 <= options.assignments <= options.groups:
        parser.error("--assignments must be at most the number of groups")
    # A tenant is hundreds of thousands of objects that stay: looking through them often finds nothing to free.
    gc.set_threshold(200_000, 20, 100)
    try:
        uvloop.run(serve(options))
    except OSError as error:
        sys.stderr.write(
            f"cannot listen on {options.host} port {options.port}: {error.strerror or error}; choose another\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
