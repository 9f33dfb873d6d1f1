"""What is mailed, when, and how failures are grouped: pure decisions."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from shared.contracts.job import Notifications
from shared.contracts.outcomes import Failure

SHOWN_IDS: Final = 10
"""How many directory ids a mail names for each cause."""
_STATUSES: Final = 5


class Kind(StrEnum):
    """What a mail is about: users or groups that failed, or the job as a whole. Each kind has a schedule of its own."""

    USERS = "users"
    GROUPS = "groups"
    JOB = "job"

    @property
    def subject(self) -> str:
        """Return what one subject of this kind is called."""
        return _SUBJECTS[self]

    @property
    def whole(self) -> bool:
        """Return whether it is about the whole of a job."""
        return self is Kind.JOB


_SUBJECTS: Final[dict[Kind, str]] = {Kind.USERS: "user", Kind.GROUPS: "group", Kind.JOB: "condition"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """A failure, or (``failure`` is nothing) a recovery. ``subject`` is a directory id, or the condition of a job."""

    job_id: str
    kind: Kind
    subject: str
    generation: int
    failure: Failure | None
    at: datetime

    @property
    def place(self) -> tuple[str, Kind, str]:
        """Return whose occurrence it is."""
        return (self.job_id, self.kind, self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """The occurrences of one batch: those before a recovery, the recoveries, those after, to be stored in this order."""

    before: tuple[Occurrence, ...]
    recoveries: tuple[Occurrence, ...]
    after: tuple[Occurrence, ...]


def fold(occurrences: Iterable[Occurrence]) -> Folded:
    """Return the newest failure of each subject and code, and the newest recovery of each subject, whatever order they came in."""
    recovered: dict[tuple[str, Kind, str], Occurrence] = {}
    failed: list[Occurrence] = []
    for item in sorted(occurrences, key=lambda occurrence: occurrence.generation):
        if item.failure is None:
            recovered[item.place] = item
        else:
            failed.append(item)
    before: dict[tuple[str, Kind, str, str], Occurrence] = {}
    after: dict[tuple[str, Kind, str, str], Occurrence] = {}
    for item in failed:
        assert item.failure is not None
        recovery = recovered.get(item.place)
        side = before if recovery is not None and item.generation < recovery.generation else after
        side[*item.place, item.failure.code] = item
    return Folded(before=tuple(before.values()), recoveries=tuple(recovered.values()), after=tuple(after.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long failures are collected, and how far apart mails of one kind about one job are at least."""

    collect: timedelta
    longest: timedelta
    digest: timedelta


def due_at(*, first_at: datetime, last_at: datetime, last_mail_at: datetime | None, timing: Timing) -> datetime:
    """Return when the failures collected since ``first_at`` are mailed: after a quiet time, and not too soon after the last mail."""
    quiet = min(last_at + timing.collect, first_at + timing.longest)
    return quiet if last_mail_at is None else max(quiet, last_mail_at + timing.digest)


def why_suppressed(notifications: Notifications, *, deleted: bool) -> str | None:
    """Return why a job gets no mail, or nothing when it gets one."""
    if deleted:
        return "the job was deleted"
    if not notifications.on_failure:
        return "the job does not ask for mails about failures"
    if not notifications.email:
        return "the job has no Notification Email"
    return None


def retry_delay(attempts: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """Return the wait after ``attempts`` failed attempts (one or more): doubled each time, up to the longest."""
    doublings: int = 1 << min(attempts - 1, 20)
    return min(first * doublings, longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One failure that is to be mailed. ``recovered``: it has passed since."""

    subject: str
    code: str
    message: str
    advice: str
    http_status: int | None
    at: datetime
    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Failures with one code: how many, the first ten directory ids (or conditions), what happened and what to do."""

    code: str
    count: int
    recovered: int
    subjects: tuple[str, ...]
    message: str
    advice: str
    http_statuses: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What one mail says. ``since`` and ``until`` are the first and the last failure."""

    kind: Kind
    total: int
    causes: tuple[Cause, ...]
    since: datetime
    until: datetime


@dataclass(slots=True)
class _Group:
    first: Problem
    count: int = 0
    recovered: int = 0
    subjects: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)


class Grouping:
    """Groups problems by cause as they stream by; its size depends on the number of causes only."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._groups: dict[str, _Group] = {}
        self._since: datetime | None = None
        self._until: datetime | None = None

    def add(self, problem: Problem) -> None:
        """Take one problem in."""
        group = self._groups.setdefault(problem.code, _Group(first=problem))
        group.count += 1
        group.recovered += problem.recovered
        if len(group.subjects) < SHOWN_IDS and problem.subject not in group.subjects:
            group.subjects.append(problem.subject)
        if problem.http_status is not None and len(group.statuses) < _STATUSES:
            group.statuses.add(problem.http_status)
        self._since = min(self._since or problem.at, problem.at)
        self._until = max(self._until or problem.at, problem.at)

    def digest(self) -> Digest | None:
        """Return what was grouped, the commonest cause first, or nothing when there was nothing."""
        if self._since is None or self._until is None:
            return None
        causes = [
            Cause(
                code=code,
                count=group.count,
                recovered=group.recovered,
                subjects=tuple(group.subjects),
                message=group.first.message,
                advice=group.first.advice,
                http_statuses=tuple(sorted(group.statuses)),
            )
            for code, group in self._groups.items()
        ]
        causes.sort(key=lambda cause: (-cause.count, cause.code))
        return Digest(
            kind=self._kind,
            total=sum(cause.count for cause in causes),
            causes=tuple(causes),
            since=self._since,
            until=self._until,
        )
