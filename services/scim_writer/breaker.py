"""When a target is not called any more, and when it is tried again. Pure: the time is passed in, seconds of any one clock."""

from dataclasses import dataclass
from typing import Final

from services.scim_writer.answers import Verdict
from services.scim_writer.requests import Kind
from shared.contracts.failure_codes import Code, failure
from shared.contracts.outcomes import Failure, Result

TARGET_CREDENTIALS: Final = "targetCredentials"
TARGET_UNAVAILABLE: Final = "targetUnavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with the whole of a job: the name of the condition, and why."""

    condition: str
    failure: Failure


class Breaker:
    """Counts failures of one target in a row, and knows when to stop, to probe and to go on.

    ``trouble`` is set while the condition is raised. ``is_open``: nothing but probes may be sent. ``on_trial``: a probe went well, but
    what was refused before were writes, so one write at a time shows whether it is really over.
    """

    def __init__(self, *, stop_after: int, first_probe: float, longest_probe: float) -> None:
        self._stop_after = stop_after
        self._first_probe = first_probe
        self._longest_probe = longest_probe
        self._broken = 0
        self._refused = {False: 0, True: 0}
        self._probes = 0
        self._writes_refused = False
        self.trouble: Trouble | None = None
        self.on_trial = False
        self.probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Return whether nothing but a probe may be sent."""
        return self.trouble is not None and not self.on_trial

    def open(self, trouble: Trouble, now: float, *, probe: bool = True) -> None:
        """Stop; ``probe`` false waits for a new job record, because nothing else can help."""
        self.trouble = trouble
        self.on_trial = False
        wait = min(self._first_probe * 2.0 ** min(self._probes, 60), self._longest_probe)
        self.probe_at = now + wait if probe else float("inf")

    def resume(self, trouble: Trouble, now: float) -> None:
        """Take up a condition that another process raised: probe at once."""
        self.open(trouble, now)
        self.probe_at = now

    def reset(self, now: float) -> None:
        """Probe at once: the job record changed, so a new secret token or Tenant URL may be there."""
        self._probes = 0
        self._writes_refused = False
        self.on_trial = False
        self.probe_at = now

    def note(self, kind: Kind, verdict: Verdict, now: float) -> bool:
        """Take note of the answer to one request of the work; return whether this very answer stopped everything.

        Answers to requests that were under way when it stopped change nothing any more.
        """
        if self.is_open or verdict.throttled:
            return False
        if verdict.outcome is Result.STOP:
            return self._stop(TARGET_CREDENTIALS, verdict, now)
        if verdict.refused:
            return self._note_refusal(verdict, now, writes=kind.writes)
        if verdict.broken:
            self._broken += 1
            return self._broken >= self._stop_after and self._stop(TARGET_UNAVAILABLE, verdict, now)
        self._broken = 0
        if verdict.outcome is Result.DONE:
            self._refused[kind.writes] = 0
            if kind.writes and self.on_trial:
                self._close()
        return False

    def _note_refusal(self, verdict: Verdict, now: float, *, writes: bool) -> bool:
        self._refused[writes] += 1
        if self.on_trial:
            # This one write was tried and refused: it is done with, so that the next trial is another user's.
            self._stop(TARGET_CREDENTIALS, verdict, now)
            return False
        if self._refused[writes] < self._stop_after:
            return False
        self._writes_refused = writes
        return self._stop(TARGET_CREDENTIALS, verdict, now)

    def probed(self, verdict: Verdict, now: float) -> None:
        """Take note of the answer to a probe: go on, go on by one write at a time, or wait longer than before."""
        if verdict.outcome is not Result.DONE:
            self._probes += 1
            named = TARGET_CREDENTIALS if verdict.status in (401, 403) else TARGET_UNAVAILABLE
            self.open(Trouble(condition=named, failure=_failure(verdict)), now)
            if verdict.wait is not None:
                self.probe_at = max(self.probe_at, now + verdict.wait)
            return
        self._broken = 0
        self._refused[False] = 0
        if self._writes_refused:
            self.on_trial = True
        else:
            self._close()

    def _close(self) -> None:
        self.trouble = None
        self.on_trial = False
        self._writes_refused = False
        self._probes = 0
        self._refused = {False: 0, True: 0}

    def _stop(self, condition: str, verdict: Verdict, now: float) -> bool:
        if self.on_trial:
            self._probes += 1
        self.open(Trouble(condition=condition, failure=_failure(verdict)), now)
        return True


def _failure(verdict: Verdict) -> Failure:
    return failure(verdict.code or Code.INTERNAL_SERVER_ERROR, verdict.message, http_status=verdict.status)
