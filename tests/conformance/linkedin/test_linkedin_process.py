"""The simulator as a process: one line of JSON, then it serves, then it stops when it is told to."""

import asyncio
import json
import signal
import socket
import sys
import time

import aiohttp
import pytest


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulators.linkedin",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_is_and_stops_promptly(number: signal.Signals) -> None:
    process = await _start("--latency-ms", "5", "--setting", "listWithoutFilter=400", "--setting", "discovery=false")
    assert process.stdout is not None
    place = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    assert place.keys() == {"name", "url", "tenantUrl"}
    assert (place["name"], place["tenantUrl"]) == ("linkedin", place["url"] + "/scim")
    async with aiohttp.ClientSession() as http, http.get(place["url"] + "/_sim/settings") as response:
        settings = await response.json()
        assert (settings["latencyMs"], settings["listWithoutFilter"], settings["discovery"]) == (5, "400", False)
        started = time.perf_counter()
        process.send_signal(number)
        output, errors = await asyncio.wait_for(process.communicate(), 5)
    assert time.perf_counter() - started < 2
    assert (process.returncode, output, errors) == (0, b"", b"")


async def test_help_is_offered_and_a_wrong_setting_is_one_sentence() -> None:
    process = await _start("--help")
    output, _ = await process.communicate()
    assert (process.returncode, b"--latency-ms" in output) == (0, True)
    process = await _start("--setting", "colour=red")
    output, errors = await process.communicate()
    assert (process.returncode, output) == (2, b"")
    assert errors.startswith(b"The setting colour cannot be used.")
    assert b"Traceback" not in errors


async def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = await _start("--port", str(taken.getsockname()[1]))
        output, errors = await process.communicate()
    assert (process.returncode, output) == (1, b"")
    assert errors.startswith(b"Cannot listen on 127.0.0.1 port")
    assert b"Traceback" not in errors
