"""The rules of each job, made once for each version of it and kept by the process."""

from hashlib import blake2b
from typing import Final

import orjson

from services.diff.rules import Rules
from shared.runtime.jobs import Job

_made: Final[dict[str, tuple[Job, Rules]]] = {}
"""Kept as long as the job is the same object: a definition is parsed once for each version."""


def job_rules(job: Job) -> Rules:
    """Return the rules of a job, made once for each version of it; raises ``SchemaUnusableError`` while it has no schema."""
    known = _made.get(job.job_id)
    if known is not None and known[0] is job:
        return known[1]
    rules = Rules.of(job.definition.settings, job.template, job.schema.users, fingerprint=_fingerprint(job))
    _made[job.job_id] = (job, rules)
    return rules


def _fingerprint(job: Job) -> str:
    settings = job.definition.settings.model_dump(
        mode="json", include={"required_roles", "skip_out_of_scope_deletions"}
    )
    decisive = orjson.dumps([job.definition.template, settings, job.schema.schema.document()])
    return blake2b(decisive, digest_size=16).hexdigest()
