"""A mail sink on free ports, and a client for both of them."""

from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import aiohttp
import aiosmtplib
import pytest

from simulators.mail import MailSimulator


class Post:
    """Sends by SMTP and reads by HTTP."""

    def __init__(self, simulator: MailSimulator, http: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.http = http

    async def send(
        self, subject: str = "Hello", *, to: list[str] | None = None, message: EmailMessage | None = None
    ) -> Any:
        return await aiosmtplib.send(
            message or mail(subject),
            sender="seatkeeper@example.com",
            recipients=to or ["team@example.com"],
            hostname=self.simulator.host,
            port=self.simulator.smtp_port,
            timeout=5,
        )

    async def sim(self, method: str, path: str, json: Any = None) -> tuple[int, Any]:
        async with self.http.request(method, f"{self.simulator.url}{path}", json=json) as response:
            if "json" in response.headers.get("Content-Type", ""):
                return response.status, await response.json()
            return response.status, await response.text()

    async def messages(self) -> Any:
        return (await self.sim("GET", "/_sim/messages"))[1]

    async def fault(self, **fault: Any) -> None:
        status, content = await self.sim("POST", "/_sim/faults", fault)
        assert status == 201, content


def mail(subject: str = "Hello") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Seatkeeper <seatkeeper@example.com>"
    message["To"] = "team@example.com"
    message["Subject"] = subject
    message["Message-ID"] = "<one@seatkeeper.example.com>"
    message["X-Job"] = "a"
    message["X-Job"] = "b"
    message.set_content("Two people have failed: Ärger.\n")
    message.add_alternative("<p>Two people have failed.</p>\n", subtype="html")
    return message


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    simulator = await MailSimulator.start(max_messages=5)
    async with aiohttp.ClientSession() as http:
        yield Post(simulator, http)
    await simulator.close()
