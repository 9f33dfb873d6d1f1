"""The loop that makes the plans that were asked for, one after the other; one process of the service does it, beside its handlers.

A plan that a crash cut short is begun again. What is told of it, and that it is over, are one transaction.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from services.diff.handlers import Handlers
from services.diff.previews import store
from services.diff.previews.candidate import Candidate, candidate_of
from services.diff.previews.looking import Looking
from services.diff.previews.store import Preview
from services.diff.previews.telling import chunks, tell, tell_plan
from shared.contracts.control import OperatorRequest
from shared.contracts.preview import PreviewState
from shared.runtime.crashpoints import crash_point
from shared.runtime.database import TRANSIENT_ERRORS
from shared.runtime.errors import JobUnknownError, LeaseLostError
from shared.runtime.frame import Frame
from shared.runtime.leased_loop import leased
from shared.runtime.leases import Lease
from shared.runtime.log import logger
from shared.runtime.service import Background
from shared.runtime.transaction import Received, Transaction
from shared.runtime.wakeups import any_set
from shared.schema.findings import SchemaRefusedError

LEASE: Final = "diff/previews"
NAP_SECONDS: Final = 1.0
TELL_EVERY_SECONDS: Final = 1.0
MOST_ATTEMPTS: Final = 3

_log = logger(__name__)


class _OverError(Exception):
    """The preview is not to be gone on with: a newer one was asked for, or another process makes it."""


class _RefusedError(Exception):
    """There is no plan; the message says why, and what to do."""


_NOT_ITS_FAULT: Final[tuple[type[BaseException], ...]] = (_OverError, LeaseLostError, *TRANSIENT_ERRORS)


class Previews:
    """Takes previews and makes their plans. ``patience``: how long one may take from the moment it was asked for."""

    def __init__(self, handlers: Handlers, patience: timedelta) -> None:
        self._handlers = handlers
        self._patience = patience
        self._wake = asyncio.Event()

    async def ask(self, tx: Transaction, item: Received[OperatorRequest]) -> None:
        """Note a preview that is asked for. Of each job the newest alone is made."""
        request = item.message
        if request.preview is None:
            return
        for one in await store.ask(tx.connection, request, request.preview, item.envelope):
            tell(tx, one, one.sequence, PreviewState.SUPERSEDED, detail="A newer preview of the job was asked for")
        self._wake.set()

    def background(self) -> Background:
        """Return the loop, which works while this process holds the lease."""
        return leased(LEASE, self._serve)

    async def _serve(self, frame: Frame, lease: Lease) -> None:
        while not frame.stopping.is_set():
            frame.health.beat(LEASE)
            lease.check()
            self._wake.clear()
            await self.make_all(frame, lease)
            frame.health.arrived(LEASE)
            await any_set(frame.stopping, self._wake, within=NAP_SECONDS)

    async def make_all(self, frame: Frame, lease: Lease) -> None:
        """Make every plan that is asked for and can be made by now."""
        async with frame.connection() as connection:
            await store.forget(connection)
            keys = await store.list_open(connection)
        for key in keys:
            if frame.stopping.is_set():
                return
            with suppress(_OverError):
                await self._make(frame, lease, key)

    async def _make(self, frame: Frame, lease: Lease, key: tuple[str, str]) -> None:
        began = time.monotonic()
        preview: Preview | None = None
        try:
            begun = await self._begin(frame, lease, key)
            if begun is None:
                return
            preview, candidate = begun
            await self._plan(frame, lease, preview, candidate, began)
        except _RefusedError as refusal:
            await self._refuse(frame, lease, key, str(refusal))
        except _NOT_ITS_FAULT:
            raise
        except Exception as error:  # noqa: BLE001 - one preview that cannot be made must not stop the others
            _log.error("preview cannot be made", action="preview", job_id=key[0], exc_info=error)
            words = f"It could not be made ({type(error).__name__}); the reason is in the log of diff"
            await self._refuse(frame, lease, key, words)

    async def _begin(self, frame: Frame, lease: Lease, key: tuple[str, str]) -> tuple[Preview, Candidate] | None:
        """Return a preview to be made with the rules that it is about; nothing while the job as it was then has not arrived here."""
        async with frame.transaction() as tx:
            await lease.fence(tx.connection)
            preview = await store.lock_open(tx.connection, key)
            if preview is None or preview.wish is None:
                raise _OverError
            if tx.now - preview.asked_at > self._patience:
                raise _RefusedError(self._too_long())
            if preview.attempts >= MOST_ATTEMPTS:
                raise _RefusedError(f"diff ended {preview.attempts} times while it was made; look into its log")
            try:
                job = (await tx.jobs([preview.job_id]))[preview.job_id]
            except JobUnknownError:
                return None
            if job.deleted:
                raise _RefusedError("The job was deleted")
            if job.version > preview.job_version:
                raise _RefusedError("The job was changed since it was asked for; ask for another preview")
            if job.version < preview.job_version:
                return None
            preview = await store.begin(tx.connection, preview)
            tell(tx, preview, preview.sequence, PreviewState.RUNNING)
        assert preview.wish is not None, "what is to be made has its wish"
        try:
            return preview, await asyncio.to_thread(candidate_of, preview.wish, job)
        except SchemaRefusedError as error:
            raise _RefusedError(str(error)) from None

    async def _plan(self, frame: Frame, lease: Lease, preview: Preview, candidate: Candidate, began: float) -> None:
        told_at = time.monotonic()

        async def between(looked_at: int, expected: int) -> None:
            nonlocal told_at
            frame.health.beat(LEASE)
            lease.check()
            if frame.stopping.is_set():
                raise _OverError
            if time.monotonic() - told_at >= TELL_EVERY_SECONDS:
                await self._go_on(frame, lease, preview, looked_at, expected)
                told_at = time.monotonic()

        looking = Looking(
            job_id=preview.job_id,
            candidate=candidate,
            backoff=self._handlers.backoff,
            batch=self._handlers.retry_batch,
        )
        async with frame.database.dedicated() as connection:
            looked = await looking.through(connection, between)
        seconds = time.monotonic() - began
        pieces = list(chunks(looked.plan.rows))
        async with frame.transaction() as tx:
            await lease.fence(tx.connection)
            last = await store.end(tx.connection, preview, PreviewState.DONE, len(pieces) + 1)
            if last is None:
                raise _OverError
            tell_plan(tx, preview, replace(looked, seconds=seconds), pieces, last)
            await tx.flush()
            crash_point("diff.preview.before_commit")
        _log.info(
            "preview made",
            action="preview",
            job_id=preview.job_id,
            objects=looked.plan.looked_at,
            duration_ms=int(seconds * 1000),
        )

    async def _go_on(self, frame: Frame, lease: Lease, preview: Preview, looked_at: int, expected: int) -> None:
        async with frame.transaction() as tx:
            await lease.fence(tx.connection)
            sequence = await store.advance(tx.connection, preview)
            if sequence is None:
                raise _OverError
            if tx.now - preview.asked_at > self._patience:
                raise _RefusedError(self._too_long())
            tell(tx, preview, sequence, PreviewState.RUNNING, looked_at=looked_at, expected=expected)

    async def _refuse(self, frame: Frame, lease: Lease, key: tuple[str, str], why: str) -> None:
        async with frame.transaction() as tx:
            await lease.fence(tx.connection)
            preview = await store.lock_open(tx.connection, key)
            sequence = await store.end(tx.connection, preview, PreviewState.FAILED, 1) if preview else None
            if preview is not None and sequence is not None:
                tell(tx, preview, sequence, PreviewState.FAILED, detail=why)

    def _too_long(self) -> str:
        seconds = int(self._patience.total_seconds())
        return f"It was not made within {seconds} seconds; try again, or raise SEATKEEPER_DIFF_PREVIEW_SECONDS"
