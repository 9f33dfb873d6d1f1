"""What of a job and its template decides: read once for each batch, so that deciding about one person only looks things up."""

from dataclasses import dataclass
from typing import Self

from shared.contracts.job import JobDefinition
from shared.contracts.templates.template import AttributeMapping, MappingKind, Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one job. ``active_path`` is the SCIM path of the attribute that disables an account."""

    required_roles: tuple[str, ...]
    exclude_default_access: bool
    skip_out_of_scope_deletions: bool
    mappings: tuple[AttributeMapping, ...]
    matching: tuple[AttributeMapping, ...]
    active_path: str

    @classmethod
    def of(cls, definition: JobDefinition, template: Template) -> Self:
        """Return the rules of a job; raises ``ValueError`` when the template maps no ``active``: such a target cannot be disabled."""
        active = [row.target for row in template.user_mapping if row.kind is MappingKind.ACTIVE]
        if not active:
            raise ValueError(f"template {template.name} maps nothing to active; add a mapping of kind active")
        return cls(
            required_roles=definition.settings.required_roles,
            exclude_default_access=template.exclude_default_access,
            skip_out_of_scope_deletions=definition.settings.skip_out_of_scope_deletions,
            mappings=template.user_mapping,
            matching=template.matching,
            active_path=active[0],
        )
