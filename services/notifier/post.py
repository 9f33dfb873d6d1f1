"""The loop that writes mails when they are due and sends each at most once, under one lease for the whole service."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prometheus_client import Counter, Gauge

from services.notifier import store
from services.notifier.core import Grouping, Timing, due_at, retry_delay, why_suppressed
from services.notifier.letter import UnsafeMailError, recipient_address, seal, write
from services.notifier.mail import Envelope, Gateway, RefusedError, ServerDownError, UnansweredError
from services.notifier.store import Collected, Mail
from shared.contracts.ids import derived_id
from shared.runtime.crashpoints import crash_point
from shared.runtime.errors import JobUnknownError, LeaseLostError
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from shared.runtime.leases import Lease
from shared.runtime.log import logger

_log = logger(__name__)
_MAILS = Counter("seatkeeper_mails_total", "What became of attempts to send a mail.", ["result"])
_UNSETTLED = Gauge("seatkeeper_mails_open", "Mails that are not sent, by state.", ["state"])

LOOP = "mail"
LEASE = "notifier/mail"
DEPENDENCY = "smtp"
MAILS_AT_ONCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How long to wait after a refusal, and the age at which a mail is given up."""

    first: timedelta
    longest: timedelta
    give_up: timedelta


class Post:
    """Writes and sends mails. Without a gateway mails stay pending, and the service says why."""

    def __init__(
        self,
        *,
        gateway: Gateway | None,
        sender: str,
        console_url: str,
        timing: Timing,
        retries: Retries,
        poll_seconds: float,
    ) -> None:
        self._gateway = gateway
        self._sender = sender
        self._console_url = console_url
        self._timing = timing
        self._retries = retries
        self._poll_seconds = poll_seconds

    async def run(self, frame: Frame) -> None:
        """Run until the service stops; of all processes, the one that holds the lease works."""
        while not frame.stopping.is_set():
            frame.health.beat(LOOP)
            async with frame.lease(LEASE) as lease:
                if lease is not None:
                    await self._work(frame, lease)
            await frame.pause(self._poll_seconds)
        frame.health.finished(LOOP)

    async def _work(self, frame: Frame, lease: Lease) -> None:
        try:
            await self.doubt_what_was_cut_off(frame, lease)
            while lease.held and not frame.stopping.is_set():
                frame.health.beat(LOOP)
                await self.write_due(frame, lease)
                await self.send_due(frame, lease)
                await frame.pause(self._poll_seconds)
        except LeaseLostError:
            _log.warning("another process sends mails now", action="lease_lost")

    async def doubt_what_was_cut_off(self, frame: Frame, lease: Lease) -> None:
        """Mails that were being handed over when their process ended may have arrived: they are never sent again."""
        async with frame.transaction() as tx:
            await lease.fence(tx.connection)
            reason = "the process ended while the mail was handed over; it may have been delivered"
            for mail_id in await store.doubt_sending_mails(tx.connection, reason=reason, now=tx.now):
                self._count(mail_id, "uncertain", reason)

    async def write_due(self, frame: Frame, lease: Lease) -> None:
        """Turn every collection that is due into one mail, or note why there is none."""
        async with frame.connection() as connection:
            collections = await store.list_collected(connection)
        now = datetime.now(UTC)
        for collected in collections:
            due = due_at(
                first_at=collected.first_at,
                last_at=collected.last_at,
                last_mail_at=collected.last_mail_at,
                timing=self._timing,
            )
            if due <= now:
                await self._write(frame, lease, collected)

    async def _write(self, frame: Frame, lease: Lease, collected: Collected) -> None:
        async with frame.transaction() as tx:
            await lease.fence(tx.connection)
            try:
                job = (await tx.jobs([collected.job_id]))[collected.job_id]
            except JobUnknownError:
                return  # its definition is on the way
            mails = await store.lock_collection(tx.connection, collected)
            if mails is None:
                return
            grouping = Grouping(collected.kind)
            async for problem in store.read_problems(tx.connection, collected):
                grouping.add(problem)
            digest = grouping.digest()
            if digest is None:
                await store.close_collection(tx.connection, collected, mail_id=None, mailed_at=None)
                return
            reason = why_suppressed(job.definition.notifications, deleted=job.deleted)
            if reason is not None:
                mail_id = derived_id("suppressed", collected.job_id, collected.kind, reason)
                await store.add_suppressed(tx.connection, mail_id, collected.job_id, digest, reason=reason, now=tx.now)
                await store.close_collection(tx.connection, collected, mail_id=None, mailed_at=None)
                _MAILS.labels("suppressed").inc()
                return
            mail_id = derived_id("mail", collected.job_id, collected.kind, mails)
            await store.add_mail(tx.connection, mail_id, collected.job_id, digest, tx.now)
            await store.close_collection(tx.connection, collected, mail_id=mail_id, mailed_at=tx.now)

    async def send_due(self, frame: Frame, lease: Lease) -> None:
        """Send every mail that is due."""
        async with frame.connection() as connection:
            mails = await store.list_due_mails(connection, datetime.now(UTC), MAILS_AT_ONCE)
            counts = await store.count_mails(connection)
        for state in ("pending", "sending", "failed", "uncertain"):
            _UNSETTLED.labels(state).set(counts.get(state, 0))
        if self._gateway is None:
            self._say_without_server(frame, counts)
            return
        for mail in mails:
            frame.health.beat(LOOP)
            if frame.stopping.is_set() or not await self._send(frame, lease, self._gateway, mail):
                return

    async def _send(self, frame: Frame, lease: Lease, gateway: Gateway, mail: Mail) -> bool:
        """Try to send one mail; return whether it makes sense to try the next one."""
        try:
            async with frame.transaction() as tx:
                job = (await tx.jobs([mail.job_id]))[mail.job_id]
            reason = why_suppressed(job.definition.notifications, deleted=job.deleted)
            if reason is not None:
                await self._settle(frame, mail, "suppressed", reason)
                return True
            recipient = recipient_address(job.definition.notifications.email or "")
            sealed = self._seal(mail, job)
            async with gateway.envelope(recipient.addr_spec) as envelope:
                if not await self._claim(frame, lease, mail):
                    return True
                await self._deliver(frame, mail, envelope, sealed)
        except ServerDownError as error:
            frame.health.wait_for(DEPENDENCY, str(error))
            _MAILS.labels("server_down").inc()
            async with frame.transaction() as tx:
                await store.postpone_due_mails(
                    tx.connection, reason=str(error), next_attempt_at=tx.now + self._delay(mail), now=tx.now
                )
            return False
        except (RefusedError, UnsafeMailError) as error:
            frame.health.arrived(DEPENDENCY)
            await self._refuse(frame, mail, str(error))
        return True

    async def _claim(self, frame: Frame, lease: Lease, mail: Mail) -> bool:
        lease.check()
        async with frame.transaction() as tx:
            await lease.fence(tx.connection)
            return await store.claim_mail(tx.connection, mail.id, tx.now)

    async def _deliver(self, frame: Frame, mail: Mail, envelope: Envelope, sealed: bytes) -> None:
        crash_point("notifier.before_send")
        try:
            await envelope.deliver(sealed)
        except UnansweredError as error:
            await self._settle(frame, mail, "uncertain", f"{error}; it may have been delivered and is not sent again")
            return
        crash_point("notifier.after_send")
        frame.health.arrived(DEPENDENCY)
        await self._settle(frame, mail, "sent", None)

    def _seal(self, mail: Mail, job: Job) -> bytes:
        letter = write(
            mail.digest, job_id=job.job_id, job_name=job.definition.display_name, console_url=self._console_url
        )
        return seal(
            letter,
            sender=self._sender,
            recipient=recipient_address(job.definition.notifications.email or ""),
            message_id=f"<{mail.id}@{self._sender.partition('@')[2]}>",
            at=mail.created_at,
        )

    def _delay(self, mail: Mail) -> timedelta:
        return retry_delay(mail.attempts + 1, first=self._retries.first, longest=self._retries.longest)

    async def _refuse(self, frame: Frame, mail: Mail, reason: str) -> None:
        again: datetime | None = datetime.now(UTC) + self._delay(mail)
        if again is not None and again - mail.created_at > self._retries.give_up:
            again, reason = None, f"given up: {reason}"
        await self._settle(frame, mail, "failed", reason, next_attempt_at=again)

    async def _settle(
        self, frame: Frame, mail: Mail, state: str, reason: str | None, *, next_attempt_at: datetime | None = None
    ) -> None:
        async with frame.transaction() as tx:
            await store.settle_mail(
                tx.connection, mail.id, state=state, reason=reason, next_attempt_at=next_attempt_at, now=tx.now
            )
        self._count(mail.id, state, reason)

    def _count(self, mail_id: UUID, state: str, reason: str | None) -> None:
        _MAILS.labels(state).inc()
        say = _log.info if state == "sent" else _log.warning
        say("mail", action="mail", mail_id=str(mail_id), outcome=state, reason=reason)

    def _say_without_server(self, frame: Frame, counts: dict[str, int]) -> None:
        waiting = sum(_some(counts, ("pending", "failed")))
        if waiting:
            frame.health.wait_for(DEPENDENCY, "SEATKEEPER_SMTP_URL is not set: mails wait; set it to send them")
        else:
            frame.health.arrived(DEPENDENCY)


def _some(counts: dict[str, int], states: Iterable[str]) -> Iterable[int]:
    return (counts.get(state, 0) for state in states)
