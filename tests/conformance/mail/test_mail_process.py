"""The mail sink as a process: one line of JSON, then it serves, then it stops when it is told to."""

import asyncio
import json
import signal
import socket
import sys
from email.message import EmailMessage
from urllib.parse import urlsplit

import aiohttp
import aiosmtplib
import pytest


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulators.mail",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_is_serves_and_stops_promptly(number: signal.Signals) -> None:
    process = await _start("--host", "127.0.0.1", "--smtp-port", "0", "--http-port", "0", "--max-messages", "3")
    assert process.stdout is not None
    place = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    assert place.keys() == {"name", "smtpUrl", "url"}
    assert place["name"] == "mail"
    address = urlsplit(place["smtpUrl"])
    assert address.scheme == "smtp"
    message = EmailMessage()
    message["Subject"] = "Hello"
    message.set_content("x")
    await aiosmtplib.send(
        message, sender="a@example.com", recipients=["b@example.com"], hostname=address.hostname, port=address.port
    )
    async with aiohttp.ClientSession() as http, http.get(place["url"] + "/_sim/messages") as response:
        assert [each["subject"] for each in await response.json()] == ["Hello"]
        process.send_signal(number)
        output, errors = await asyncio.wait_for(process.communicate(), 5)
    assert (process.returncode, output, errors) == (0, b"", b"")


async def test_help_is_offered_and_a_port_that_is_taken_is_one_sentence() -> None:
    process = await _start("--help")
    output, _ = await process.communicate()
    assert (process.returncode, b"--max-messages" in output) == (0, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = await _start("--smtp-port", str(taken.getsockname()[1]))
        output, errors = await process.communicate()
    assert (process.returncode, output) == (1, b"")
    assert errors.startswith(b"Cannot listen on 127.0.0.1")
    assert b"Traceback" not in errors
