"""What of a job decides about its groups: its settings and the compiled mapping of groups, made once for each version of the job."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Self

from services.diff.default_mapping import object_mapping
from shared.contracts.job import JobSettings
from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import AttributeType, FlowBehavior, FlowType, ObjectFlow
from shared.contracts.templates.template import Template
from shared.runtime.jobs import Job
from shared.schema.conversion import converter
from shared.schema.mapping import CompiledObjectMapping, MappedAttribute
from shared.schema.options import Action, Deprovisioning, Event
from shared.schema.source_attributes import find_source_attribute

_DEFAULT: Final = (("displayName", "displayName", True, 1), ("externalId", "id", False, 0))
"""Target path, source, required, matching priority: what the Entra tutorial maps, beside the members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRules:
    """The rules by which the groups of one job are decided about."""

    mapping: CompiledObjectMapping
    required_roles: tuple[str, ...]
    exclude_default_access: bool
    skip_out_of_scope_deletions: bool

    @classmethod
    def of(cls, settings: JobSettings, template: Template, mapping: CompiledObjectMapping) -> Self:
        """Return the rules of a job with these settings, this template, and this mapping of groups."""
        return cls(
            mapping=mapping,
            required_roles=settings.required_roles,
            exclude_default_access=template.exclude_default_access,
            skip_out_of_scope_deletions=settings.skip_out_of_scope_deletions,
        )

    @property
    def enabled(self) -> bool:
        """Return whether groups are provisioned at all. With the mapping off they are left as they are."""
        return self.mapping.enabled

    @property
    def creates(self) -> bool:
        """Return whether groups may be created (Entra, target object action Create)."""
        return ObjectFlow.ADD in self.mapping.flows

    @property
    def updates(self) -> bool:
        """Return whether groups may be changed (Update)."""
        return ObjectFlow.UPDATE in self.mapping.flows

    @property
    def writes_members(self) -> bool:
        """Return whether members are kept in step: they are mapped, and groups may be changed."""
        return self.enabled and self.updates and self.mapping.members_path is not None

    def obstacle_to_deletion(self, event: Event) -> str | None:
        """Return why a group that is out by ``event`` is kept, or nothing when it is deleted."""
        if self.skip_out_of_scope_deletions:
            return "skipOutOfScopeDeletions"
        if self.mapping.deprovisioning[event].action is not Action.DELETE:
            return "the mapping does nothing at this event"
        return None if ObjectFlow.DELETE in self.mapping.flows else "the Delete action is off"


@lru_cache(maxsize=64)
def default_group_mapping(template: Template) -> CompiledObjectMapping:
    """Return the mapping of groups of a template, off where the target takes none. A bridge until a job carries its compiled schema."""
    rows = tuple(
        _row(path, source, required=required, priority=priority) for path, source, required, priority in _DEFAULT
    )
    return object_mapping(
        rows,
        template,
        object_type=ObjectType.GROUP,
        name="Groups",
        enabled=template.capabilities.groups,
        members_path="members",
        deprovisioning={event: Deprovisioning(action=Action.DELETE) for event in Event},
    )


def _row(path: str, source: str, *, required: bool, priority: int) -> MappedAttribute:
    values: dict[str, Any] = {"attribute": find_source_attribute(ObjectType.GROUP, source), "constant": None}
    return MappedAttribute(
        path=path,
        source=source,
        type=AttributeType.STRING,
        multivalued=False,
        case_exact=True,
        required=required,
        flow_type=FlowType.ALWAYS,
        flow_behavior=FlowBehavior.FLOW_WHEN_CHANGED,
        flow_null_values=False,
        export_missing_references=False,
        matching_priority=priority,
        redact=False,
        default=None,
        convert=converter(AttributeType.STRING, multivalued=False),
        lookup=source,
        expression=None,
        reads=(),
        **values,
    )


_made: dict[str, tuple[Job, GroupRules]] = {}
"""The rules of each job, kept as long as the job is the same."""


def group_rules_of(job: Job) -> GroupRules:
    """Return the rules of a job's groups, made once for each version of it."""
    known = _made.get(job.job_id)
    if known is not None and known[0] is job:
        return known[1]
    rules = GroupRules.of(job.definition.settings, job.template, default_group_mapping(job.template))
    _made[job.job_id] = (job, rules)
    return rules
