"""The SMTP side: what aiosmtpd asks at each stage of a session, and the faults that answer instead."""

import asyncio
import time
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from simulators.mail.faults import Faults
from simulators.mail.mailbox import Mailbox

_MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024


class Sink:
    """The handler of every session: accepts all mail, unless a fault says otherwise."""

    def __init__(self, mailbox: Mailbox, faults: Faults) -> None:
        self._mailbox = mailbox
        self._faults = faults
        self._open: set[asyncio.BaseTransport] = set()

    def protocol(self) -> asyncio.Protocol:
        """The protocol of a new connection; one that only refuses, when a fault at the stage connect is in force."""
        fault = self._faults.take("reject", "connect")
        if fault is not None:
            return _Refusal(fault.code)
        stall = self._faults.take("stall", "connect")
        return _Session(self, self._open, greeting_after=stall.seconds if stall else 0.0)

    def close(self) -> None:
        """End every session that is open."""
        for transport in list(self._open):
            transport.close()

    async def handle_MAIL(  # noqa: N802 - the hook's name in aiosmtpd
        self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """MAIL FROM."""
        refusal = await self._before("mail")
        if refusal is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return refusal or "250 2.1.0 Sender accepted"

    async def handle_RCPT(  # noqa: N802 - the hook's name in aiosmtpd
        self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """RCPT TO."""
        refusal = await self._before("rcpt", address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return refusal or "250 2.1.5 Recipient accepted"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802 - the hook's name in aiosmtpd
        """The message: kept, then answered, or kept and the connection closed without an answer."""
        refusal = await self._before("data")
        if refusal is not None:
            return refusal
        message = self._mailbox.keep(
            at=time.time(),
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            raw=envelope.original_content or b"",
        )
        if self._faults.take("dropAfterData", "data") is not None and server.transport is not None:
            server.transport.close()
            # Losing the connection cancels this session; nothing may be answered before it does.
            await asyncio.get_running_loop().create_future()
        return f"250 2.0.0 Kept as {message.id}"

    async def _before(self, stage: str, recipient: str = "") -> str | None:
        stall = self._faults.take("stall", stage, recipient)
        if stall is not None:
            await asyncio.sleep(stall.seconds)
        fault = self._faults.take("reject", stage, recipient)
        return f"{fault.code} {fault.code // 100}.3.0 Refused on demand at {stage}" if fault is not None else None


class _Session(SMTP):
    """A session whose connection can be ended from outside, and whose greeting can be late."""

    def __init__(self, sink: Sink, connections: set[asyncio.BaseTransport], *, greeting_after: float) -> None:
        super().__init__(
            sink,
            hostname="mail.simulator.invalid",
            ident="mail simulator",
            enable_SMTPUTF8=True,
            data_size_limit=_MAX_MESSAGE_BYTES,
            loop=asyncio.get_running_loop(),
        )
        self._connections = connections
        self._greeting_after = greeting_after
        self._connection: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection = transport
        self._connections.add(transport)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._connection is not None:
            self._connections.discard(self._connection)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        if self._greeting_after:
            await asyncio.sleep(self._greeting_after)
        await super()._handle_client()


class _Refusal(asyncio.Protocol):
    """A greeting that turns the client away."""

    def __init__(self, code: int) -> None:
        self._code = code

    def connection_made(self, transport: Any) -> None:
        transport.write(f"{self._code} Refused on demand at connect\r\n".encode())
        transport.close()
