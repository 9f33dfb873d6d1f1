"""The whole way, from the directory to the target: users a second, seconds for one change, memory, and how well a slow target is used.

``python -m benchmarks.end_to_end [--json] [--users N] [--only NAME …]``. Everything runs on this machine: Kafka, PostgreSQL, six
services and the simulators, whose share of the CPU is printed too.
"""

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from benchmarks.scene import cpu_seconds, initial_cycle, rss_mib, scene
from cli.demo.live import changes_at_rest, nothing_changes
from cli.demo.report import percentile
from cli.demo.stage import Options
from services.scim_writer.settings import ScimWriterSettings

MAX_IN_FLIGHT: int = ScimWriterSettings.model_fields["scim_writer_max_in_flight"].default
LATENCY_SECONDS = 0.05
ALLOWED_PER_SECOND = 25


async def throughput(users: int) -> dict[str, Any]:
    """Initial cycle without target latency; then single changes at rest, and cycles without changes."""
    async with scene(Options(users=users, seats=users, groups=max(3, users // 100))) as (stage, wanted):
        before = cpu_seconds(stage)
        seconds = await initial_cycle(stage, wanted)
        used = {name: round(spent - before.get(name, 0.0), 2) for name, spent in cpu_seconds(stage).items()}
        await stage.at_rest()
        await changes_at_rest(stage)
        await nothing_changes(stage)
        latencies = sorted(stage.notes.latencies)
        return {
            "users": wanted,
            "seconds": round(seconds, 2),
            "usersPerSecond": round(wanted / seconds, 1),
            "cpuSeconds": used,
            "cpuMillisecondsPerUser": round(sum(used.values()) / wanted * 1000, 3),
            "changeToTargetSeconds": {
                "p50": round(percentile(latencies, 0.5), 3),
                "p99": round(percentile(latencies, 0.99), 3),
                "n": len(latencies),
            },
            "noopCycleTargetWrites": stage.notes.quiet_writes,
            "rssMiBAfter": rss_mib(stage),
        }


async def memory(users: int) -> dict[str, Any]:
    """Resident memory of each service at the end of ``users`` users."""
    async with scene(Options(users=users, seats=users, groups=max(3, users // 100))) as (stage, wanted):
        seconds = await initial_cycle(stage, wanted)
        await stage.at_rest()
        return {"memoryUsers": wanted, "memoryUsersPerSecond": round(wanted / seconds, 1), "rssMiB": rss_mib(stage)}


async def latency(users: int) -> dict[str, Any]:
    """A target that takes 50 ms: the share of what the requests in flight allow."""
    async with scene(Options(users=users, seats=users, groups=3)) as (stage, wanted):
        milliseconds = int(LATENCY_SECONDS * 1000)
        await stage.simulated.linkedin("POST", "/faults", {"kind": "latency", "milliseconds": milliseconds})
        await stage.simulated.linkedin("DELETE", "/journal")
        await initial_cycle(stage, wanted)
        state = await stage.simulated.state()
        writes = [write["at"] for write in await stage.simulated.writes()]
        # From the first to the last write: two requests a user, the first of which comes one latency before the first write.
        seconds = max(writes) - min(writes) + LATENCY_SECONDS
        rate = (state["requests"]["GET"] + state["requests"]["POST"]) / seconds
        limit = MAX_IN_FLIGHT / LATENCY_SECONDS
        return {
            "inFlightShareAt50ms": round(rate / limit, 3),
            "requestsPerSecondAt50ms": round(rate, 1),
            "limitAt50ms": limit,
        }


async def rate_limit(users: int) -> dict[str, Any]:
    """A target that allows 25 requests a second: the share that is used, and the share answered with 429."""
    options = Options(users=users, seats=users, groups=3, requests_per_second=ALLOWED_PER_SECOND)
    async with scene(options) as (stage, wanted):
        fault = {
            "kind": "throttle",
            "requestsPerSecond": ALLOWED_PER_SECOND,
            "burst": ALLOWED_PER_SECOND,
            "retryAfter": "1",
        }
        await stage.simulated.linkedin("POST", "/faults", fault)
        await stage.simulated.linkedin("DELETE", "/journal")
        await initial_cycle(stage, wanted)
        state = await stage.simulated.state()
        writes = [write["at"] for write in await stage.simulated.writes()]
        requests = sum(state["requests"].values())
        refused = state["statuses"].get("429", 0)
        seconds = max(writes) - min(writes) + 1 / ALLOWED_PER_SECOND
        return {
            "rateShare": round((requests - refused) / seconds / ALLOWED_PER_SECOND, 3),
            "share429": round(refused / requests, 5),
        }


Scenario = Callable[[int], Awaitable[dict[str, Any]]]
SCENARIOS: dict[str, tuple[Scenario, int]] = {
    "throughput": (throughput, 5_000),
    "latency": (latency, 2_000),
    "rate": (rate_limit, 400),
    "memory": (memory, 20_000),
}


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


async def _run(names: list[str], users: int | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "command": " ".join(["python -m benchmarks.end_to_end", *sys.argv[1:]]),
        "machine": _machine(),
    }
    if "throughput" in names:
        result |= await _limit()
    for name in names:
        scenario, usual = SCENARIOS[name]
        began = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        result |= await scenario(users if users and name == "throughput" else usual)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if "throughput" in names:
        result["shareOfBareLoop"] = round(result["usersPerSecond"] / result["bareLoopUsersPerSecond"], 3)
    return result


async def _limit() -> dict[str, Any]:
    """What a loop reaches that looks each user up and creates it, and does nothing else: the limit on this machine."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.bare_loop", stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    limit: dict[str, Any] = orjson.loads(printed)
    return limit


def _show(result: dict[str, Any]) -> None:
    for name, value in result.items():
        if isinstance(value, dict):
            print(f"{name}:")
            total = sum(value.values()) if name == "cpuSeconds" else None
            for key, item in value.items():
                print(f"  {key:<22} {item}" + (f"  ({item / total:.0%})" if total else ""))
        else:
            print(f"{name}: {value}")


def main() -> int:
    """Run the scenarios one after the other and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--users", type=int, help="users of the throughput scenario (default 5000)")
    parser.add_argument("--only", nargs="+", choices=list(SCENARIOS), default=list(SCENARIOS), help="run these only")
    arguments = parser.parse_args()
    result = asyncio.run(_run(arguments.only, arguments.users))
    if arguments.json:
        print(orjson.dumps(result).decode())
    else:
        _show(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
