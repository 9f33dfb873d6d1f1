"""What of a job and its template decides: read once for each batch, so that deciding about one person only looks things up."""

from dataclasses import dataclass
from typing import Any, Self

from shared.contracts.job import JobDefinition
from shared.contracts.templates.template import AttributeMapping, MappingKind, Template


def is_empty(value: Any) -> bool:
    """Return whether a source value is null or empty, and so is not provisioned; false and 0 are values."""
    return value is None or (not value and value in ("", [], {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one job.

    ``constants`` are the values of an active account that come from no property, ``direct`` the mappings of properties,
    ``matching`` the paths to match by in order of precedence. ``active_path`` is the path of the attribute that disables an account.
    """

    required_roles: tuple[str, ...]
    exclude_default_access: bool
    skip_out_of_scope_deletions: bool
    constants: dict[str, Any]
    direct: tuple[AttributeMapping, ...]
    matching: tuple[str, ...]
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
            constants={
                row.target: True if row.kind is MappingKind.ACTIVE else row.value
                for row in template.user_mapping
                if row.kind is not MappingKind.DIRECT and (row.kind is MappingKind.ACTIVE or not is_empty(row.value))
            },
            direct=tuple(row for row in template.user_mapping if row.kind is MappingKind.DIRECT),
            matching=tuple(row.target for row in template.matching),
            active_path=active[0],
        )
