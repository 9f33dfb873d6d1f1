"""The two sockets of the mail sink."""

import asyncio
from typing import Self

from aiohttp import web

from simulators.mail.control import Control
from simulators.mail.faults import Faults
from simulators.mail.mailbox import Mailbox, StoredMessage
from simulators.mail.smtp import Sink


class MailSimulator:
    """A running mail sink: `await MailSimulator.start()`, then `smtp_url`, `url`, `messages` and `await close()`."""

    def __init__(
        self, *, host: str, server: asyncio.Server, runner: web.AppRunner, sink: Sink, mailbox: Mailbox, faults: Faults
    ) -> None:
        self.host = host
        self.smtp_port: int = server.sockets[0].getsockname()[1]
        self.smtp_url = f"smtp://{host}:{self.smtp_port}"
        self.url = f"http://{host}:{runner.addresses[0][1]}"
        self.faults = faults
        self._server = server
        self._runner = runner
        self._sink = sink
        self._mailbox = mailbox

    @classmethod
    async def start(
        cls, *, host: str = "127.0.0.1", smtp_port: int = 0, http_port: int = 0, max_messages: int = 10_000
    ) -> Self:
        """Listen on both ports (0 takes a free one); OSError when one is taken, and then on neither."""
        mailbox, faults = Mailbox(max_messages), Faults()
        sink = Sink(mailbox, faults)
        runner = web.AppRunner(Control(mailbox, faults).application(), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, http_port).start()
            server = await asyncio.get_running_loop().create_server(sink.protocol, host, smtp_port)
        except OSError:
            await runner.cleanup()
            raise
        return cls(host=host, server=server, runner=runner, sink=sink, mailbox=mailbox, faults=faults)

    @property
    def messages(self) -> list[StoredMessage]:
        """What has arrived and is still kept, oldest first."""
        return self._mailbox.all

    async def close(self) -> None:
        """Stop listening on both ports and end every session."""
        self._server.close()
        self._sink.close()
        await self._server.wait_closed()
        await self._runner.cleanup()
