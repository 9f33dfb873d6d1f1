"""What a preview is about: the rules that a job would have."""

from dataclasses import dataclass

from services.diff.groups.rules import GroupRules
from services.diff.rules import Rules
from shared.contracts.job import DeletionThreshold
from shared.contracts.message import ObjectType
from shared.contracts.preview import PreviewWish
from shared.contracts.templates import TEMPLATES
from shared.runtime.jobs import Job
from shared.schema.checks import read_schema
from shared.schema.compiling import CompiledSchema, compile_schema, template_default


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The rules to look through everybody with. ``unread``: source attributes that the job does not read yet, by the kind of object."""

    rules: Rules
    groups: GroupRules
    threshold: DeletionThreshold
    unread: dict[ObjectType, tuple[str, ...]]


def candidate_of(wish: PreviewWish, job: Job) -> Candidate:
    """Return the rules that ``job`` would have; raises ``SchemaRefusedError``. It compiles, so it is not for the event loop."""
    template = TEMPLATES[wish.template]
    document = wish.synchronization_schema
    schema = template_default(wish.template) if document is None else compile_schema(read_schema(document), template)
    return Candidate(
        rules=Rules.of(wish.settings, template, schema.users),
        groups=GroupRules.of(wish.settings, template, schema.groups),
        threshold=wish.settings.deletion_threshold,
        unread=unread(schema, job),
    )


def unread(schema: CompiledSchema, job: Job) -> dict[ObjectType, tuple[str, ...]]:
    """Return the attributes that ``schema`` reads and the job's own does not, so that nobody has a value for them yet."""
    if job.job_schema is not None and job.job_schema.compiled is None:
        return {}
    found = {
        kind: tuple(sorted(set(schema.source_attributes(kind)) - set(job.source_attributes(kind))))
        for kind in (ObjectType.USER, ObjectType.GROUP)
        if schema.mapping_of(kind) is not None
    }
    return {kind: names for kind, names in found.items() if names}
