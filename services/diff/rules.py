"""What of a job decides about its people: its settings and the compiled mapping, made once for each version of the job."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from shared.contracts.job import JobSettings
from shared.contracts.synchronization_schema import FlowBehavior, FlowType, ObjectFlow
from shared.contracts.templates.template import Template
from shared.schema.mapping import CompiledObjectMapping, MappedAttribute
from shared.schema.options import Action, Deprovisioning, Event
from shared.schema.source_attributes import APP_ROLE_ASSIGNMENTS

ACTIVE_PATH: Final = "active"
"""The attribute that says whether an account can be used (RFC 7643, section 4.1.1)."""
_UNIQUE_BY_NATURE: Final = frozenset({"id", "objectId"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one job.

    ``flows`` are the mapped attributes that do not simply always flow; ``only_on_create`` and ``only_if_absent`` are the paths among them
    that an account which existed before keeps. ``always`` are paths that go with every update. ``references`` are paths of other objects.
    ``any_case`` are paths where a difference in case alone is none. ``shared_values``: two users may have the same matching value, so who
    has which is kept. ``reads_roles``: the mapping looks at the app roles. ``fingerprint`` differs for rules that may decide otherwise.
    """

    mapping: CompiledObjectMapping
    required_roles: tuple[str, ...]
    exclude_default_access: bool
    skip_out_of_scope_deletions: bool
    can_delete: bool
    active_path: str
    flows: Mapping[str, MappedAttribute]
    only_on_create: tuple[str, ...]
    only_if_absent: tuple[str, ...]
    always: tuple[str, ...]
    any_case: frozenset[str]
    references: frozenset[str]
    redacted: tuple[str, ...]
    shared_values: bool
    reads_roles: bool
    fingerprint: str = ""

    @classmethod
    def of(
        cls, settings: JobSettings, template: Template, mapping: CompiledObjectMapping, *, fingerprint: str = ""
    ) -> Self:
        """Return the rules of a job with these settings, this template, and this mapping of users."""
        rows = mapping.attributes
        flows = {path: row for path, row in rows.items() if row.flow_type is not FlowType.ALWAYS}
        on_create = {path for path, row in flows.items() if row.flow_type is FlowType.OBJECT_ADD_ONLY}
        if ObjectFlow.UPDATE not in mapping.flows:
            on_create = set(rows)
        absent = {FlowType.ATTRIBUTE_ADD_ONLY, FlowType.MULTI_VALUE_ADD_ONLY}
        return cls(
            mapping=mapping,
            required_roles=settings.required_roles,
            exclude_default_access=template.exclude_default_access,
            skip_out_of_scope_deletions=settings.skip_out_of_scope_deletions,
            can_delete=template.capabilities.delete,
            active_path=mapping.active_path or ACTIVE_PATH,
            flows=flows,
            only_on_create=tuple(sorted(on_create)),
            only_if_absent=tuple(
                sorted(path for path, row in flows.items() if row.flow_type in absent and path not in on_create)
            ),
            always=tuple(path for path, row in rows.items() if row.flow_behavior is FlowBehavior.FLOW_ALWAYS),
            references=frozenset(path for path, row in rows.items() if row.reference),
            any_case=frozenset(path for path, row in rows.items() if not row.case_exact),
            redacted=tuple(sorted(mapping.redacted)),
            shared_values=any(not _unique(rows[path]) for path in mapping.matching),
            reads_roles=any(item.name == APP_ROLE_ASSIGNMENTS for row in rows.values() for item in row.reads),
            fingerprint=fingerprint,
        )

    @property
    def creates(self) -> bool:
        """Return whether accounts may be created (Entra, target object action Create)."""
        return ObjectFlow.ADD in self.mapping.flows

    @property
    def updates(self) -> bool:
        """Return whether accounts may be changed (Update)."""
        return ObjectFlow.UPDATE in self.mapping.flows

    @property
    def deletes(self) -> bool:
        """Return whether accounts may be deleted (Delete)."""
        return ObjectFlow.DELETE in self.mapping.flows

    @property
    def disables(self) -> bool:
        """Return whether anything is mapped from ``IsSoftDeleted``: otherwise no account can be disabled."""
        return self.mapping.active_path is not None

    @property
    def keeps_links(self) -> bool:
        """Return whether an account that was disabled because its person left stays linked."""
        return self.mapping.keep_managing_released_links

    def deprovisioning(self, event: Event) -> Deprovisioning:
        """Return what is to be done at the target when ``event`` happens; a delete where the target can only disable is a disable."""
        found = self.mapping.deprovisioning[event]
        if found.action is Action.DELETE and not self.can_delete:
            return Deprovisioning(action=Action.DISABLE)
        return found

    def differs(self, path: str, held: Any, wanted: Any) -> bool:
        """Return whether ``wanted`` is another value than the one that the target holds at ``path``."""
        if held == wanted:
            return False
        row = self.mapping.attributes.get(path) if path in self.any_case else None
        return row is None or row.differs(held, wanted)


def _unique(row: MappedAttribute) -> bool:
    """Return whether no two users can have the same value: it is the object id itself."""
    return row.attribute is not None and row.attribute.name in _UNIQUE_BY_NATURE
