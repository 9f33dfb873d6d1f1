"""What a template says of a kind of target: default mapping, matching, capabilities and quirks."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.contracts.synchronization_schema import SynchronizationSchema


class MappingKind(StrEnum):
    """Kinds of attribute mappings (Microsoft Entra, "Customize attribute mappings")."""

    DIRECT = "direct"
    CONSTANT = "constant"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeMapping:
    """One row of a mapping: the SCIM path at the target, and where its value comes from.

    ``source`` is a Microsoft Graph property (direct), ``value`` a literal (constant). ``active`` takes the value that scope and account
    state decide. ``matching_priority`` above zero makes the row a matching property; the lowest is tried first.
    """

    target: str
    kind: MappingKind = MappingKind.DIRECT
    source: str | None = None
    value: Any = None
    required: bool = False
    matching_priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the target can do. A target without ``delete`` gets a disable instead; one without ``groups`` gets no group at all.

    ``filter_attributes`` and ``group_filter_attributes`` are what users and groups can be searched by. A target with ``custom_attributes`` has
    those that a schema's own directory lists, beside those of the template; what it can be searched by is then not known either.
    """

    delete: bool
    list_users: bool
    filter_attributes: tuple[str, ...]
    patch: bool = True
    groups: bool = False
    group_filter_attributes: tuple[str, ...] = ("displayName",)
    group_delete: bool = False
    custom_attributes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The factory default of a job for one kind of target.

    ``schema`` is the default mapping of users and groups, and the directory of what the target has. ``user_mapping`` says the mapping of
    users once more, in short.
    """

    name: str
    display_name: str
    tenant_url: str
    user_mapping: tuple[AttributeMapping, ...]
    schema: SynchronizationSchema
    capabilities: Capabilities
    exclude_default_access: bool
    secret_token_lifetime_days: int

    @property
    def source_attributes(self) -> tuple[str, ...]:
        """Return the Microsoft Graph properties that the mapping reads, sorted, each once."""
        direct = {row.source for row in self.user_mapping if row.kind is MappingKind.DIRECT and row.source}
        return tuple(sorted(direct | {"id", "accountEnabled"}))

    @property
    def matching(self) -> tuple[AttributeMapping, ...]:
        """Return the matching properties in order of precedence."""
        rows = [row for row in self.user_mapping if row.matching_priority]
        return tuple(sorted(rows, key=lambda row: row.matching_priority or 0))
