"""The rules of each job about its users and about its groups, made once for each version of it and kept by the process."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Generic, TypeVar

import orjson

from services.diff.groups.rules import GroupRules
from services.diff.rules import Rules
from shared.runtime.jobs import Job

T = TypeVar("T")


class _Made(Generic[T]):
    """What is made of jobs, kept as long as the job is the same object: a definition is parsed once for each version."""

    def __init__(self, make: Callable[[Job], T]) -> None:
        self._make = make
        self._made: dict[str, tuple[Job, T]] = {}

    def of(self, job: Job) -> T:
        known = self._made.get(job.job_id)
        if known is not None and known[0] is job:
            return known[1]
        made = self._make(job)
        self._made[job.job_id] = (job, made)
        return made


def job_rules(job: Job) -> Rules:
    """Return the rules of a job's users; raises ``SchemaUnusableError`` while it has no schema."""
    return _USERS.of(job)


def group_rules(job: Job) -> GroupRules:
    """Return the rules of a job's groups; raises ``SchemaUnusableError`` while it has no schema."""
    return _GROUPS.of(job)


def _fingerprint(job: Job) -> str:
    settings = job.definition.settings.model_dump(
        mode="json", include={"required_roles", "skip_out_of_scope_deletions"}
    )
    decisive = orjson.dumps([job.definition.template, settings, job.schema.schema.document()])
    return blake2b(decisive, digest_size=16).hexdigest()


_USERS = _Made(
    lambda job: Rules.of(job.definition.settings, job.template, job.schema.users, fingerprint=_fingerprint(job))
)
_GROUPS = _Made(lambda job: GroupRules.of(job.definition.settings, job.template, job.schema.groups))
