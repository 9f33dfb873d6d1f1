"""What of a job decides about its groups: its settings and the compiled mapping of groups, made once for each version of the job."""

from dataclasses import dataclass
from typing import Self

from shared.contracts.job import JobSettings
from shared.contracts.synchronization_schema import ObjectFlow
from shared.contracts.templates.template import Template
from shared.schema.mapping import CompiledObjectMapping
from shared.schema.options import Action, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRules:
    """The rules by which the groups of one job are decided about. Without ``mapping`` groups are left as they are."""

    mapping: CompiledObjectMapping | None
    required_roles: tuple[str, ...]
    exclude_default_access: bool
    skip_out_of_scope_deletions: bool

    @classmethod
    def of(cls, settings: JobSettings, template: Template, mapping: CompiledObjectMapping | None) -> Self:
        """Return the rules of a job with these settings, this template, and this mapping of groups."""
        return cls(
            mapping=mapping if template.capabilities.groups else None,
            required_roles=settings.required_roles,
            exclude_default_access=template.exclude_default_access,
            skip_out_of_scope_deletions=settings.skip_out_of_scope_deletions,
        )

    @property
    def redacted(self) -> tuple[str, ...]:
        """Return the paths whose values are written and shown to nobody."""
        return tuple(sorted(self.mapping.redacted)) if self.mapping is not None else ()

    @property
    def creates(self) -> bool:
        """Return whether groups may be created (Entra, target object action Create)."""
        return self._allows(ObjectFlow.ADD)

    @property
    def updates(self) -> bool:
        """Return whether groups may be changed (Update)."""
        return self._allows(ObjectFlow.UPDATE)

    @property
    def writes_members(self) -> bool:
        """Return whether members are kept in step: they are mapped, and groups may be changed."""
        return self.updates and self.mapping is not None and self.mapping.members_path is not None

    def obstacle_to_deletion(self, event: Event) -> str | None:
        """Return why a group that is out by ``event`` is kept, or nothing when it is deleted."""
        if self.skip_out_of_scope_deletions:
            return "skipOutOfScopeDeletions"
        if self.mapping is None or self.mapping.deprovisioning[event].action is not Action.DELETE:
            return "the mapping does nothing at this event"
        return None if self._allows(ObjectFlow.DELETE) else "the Delete action is off"

    def _allows(self, flow: ObjectFlow) -> bool:
        return self.mapping is not None and flow in self.mapping.flows
