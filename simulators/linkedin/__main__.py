"""`python -m simulators.linkedin`: listen, say where in one line of JSON, stop at SIGTERM or SIGINT."""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from typing import Any

import uvloop

from simulators.linkedin.server import LinkedInSimulator
from simulators.linkedin.settings import SettingError


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal comes; 2 when a setting cannot be, 1 when the port is taken."""
    options = _parser().parse_args(arguments)
    settings: dict[str, Any] = dict(options.setting)
    if options.latency_ms is not None:
        settings["latencyMs"] = options.latency_ms
    try:
        uvloop.run(_serve(options.host, options.port, settings))
    except SettingError as error:
        sys.stderr.write(f"The setting {error.field} cannot be used. {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(
            f"Cannot listen on {options.host} port {options.port}: {error.strerror}. Choose another --port.\n"
        )
        return 1
    return 0


async def _serve(host: str, port: int, settings: dict[str, Any]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    simulator = await LinkedInSimulator.start(host=host, port=port, settings=settings)
    place = {"name": "linkedin", "url": simulator.url, "tenantUrl": simulator.tenant_url}
    sys.stdout.write(json.dumps(place, separators=(",", ":")) + "\n")
    sys.stdout.flush()
    await stopped.wait()
    await simulator.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.linkedin", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on; 0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--latency-ms", type=float, help="milliseconds added to every SCIM request (default: none)")
    parser.add_argument(
        "--setting",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a switch as in GET /_sim/settings, the value in JSON or plain text; may be repeated",
    )
    return parser


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("must be NAME=VALUE")
    with contextlib.suppress(ValueError):
        parsed = json.loads(value)
        return name, str(parsed) if name in ("listWithoutFilter", "deleteUser") else parsed
    return name, value


if __name__ == "__main__":
    raise SystemExit(main())
