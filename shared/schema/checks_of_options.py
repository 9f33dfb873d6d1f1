"""What can be wrong with our own options of one object mapping, and what they come to: values that fit, paths as they are mapped."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import AttributeType, Mutability, ObjectMapping
from shared.contracts.templates.template import Template
from shared.schema.checks_of_attributes import Row, maps_activity
from shared.schema.conversion import ConversionError, converter, is_empty
from shared.schema.findings import Findings
from shared.schema.options import (
    FLOW_NULL_VALUES,
    KEEP_MANAGING,
    PREFIX,
    Action,
    Deprovisioning,
    OptionError,
    Options,
    read_options,
    read_switch,
)
from shared.schema.target_attributes import target_key

_OF_GROUPS: Final = frozenset({Action.NONE, Action.DELETE})
"""What can be done with a group that leaves."""


def check_options(
    at: str, mapping: ObjectMapping, kind: ObjectType, *, rows: Sequence[Row], template: Template, findings: Findings
) -> Options:
    """Note what is wrong with the options of the object mapping at ``at``, and return them; the defaults where they cannot be read."""
    for row in rows:
        try:
            read_switch(row.definition.metadata, FLOW_NULL_VALUES)
        except OptionError as error:
            message = f"{error.message}, and the definition of {row.definition.name} in its directory says another word"
            findings.error(f"{row.at}.targetAttributeName", "InvalidOption", message, error.remedy)
    try:
        options = read_options(mapping.metadata, kind, template.capabilities)
    except OptionError as error:
        findings.error(f"{at}.metadata", "InvalidOption", error.message, error.remedy)
        return read_options((), kind, template.capabilities)
    checks = _OptionChecks(at=f"{at}.metadata", kind=kind, rows=rows, template=template, findings=findings)
    said = {entry.key for entry in mapping.metadata}
    if kind is ObjectType.GROUP and KEEP_MANAGING in said:
        message = f"{KEEP_MANAGING} does nothing for groups: the link of a group ends with the group"
        findings.error(checks.at, "UnsupportedForGroups", message, "remove it")
    chosen = {
        event: checks.step(key, step) if (key := f"{PREFIX}When{event}") in said else step
        for event, step in options.deprovisioning.items()
    }
    return replace(options, deprovisioning=chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OptionChecks:
    """Looks through what is done at each event."""

    at: str
    kind: ObjectType
    rows: Sequence[Row]
    template: Template
    findings: Findings

    def step(self, key: str, step: Deprovisioning) -> Deprovisioning:
        """Note what is wrong with what is done at one event, and return it as it is to be done."""
        capabilities, group = self.template.capabilities, self.kind is ObjectType.GROUP
        if group and step.action not in _OF_GROUPS:
            message = f"{key} asks for {step.action}, which there is not for groups"
            self.findings.error(self.at, "UnsupportedForGroups", message, "use delete or none")
            return step
        if step.action is Action.DELETE and not (capabilities.group_delete if group else capabilities.delete):
            message = f"{key} asks for delete, and {self.template.display_name} does not delete"
            self.findings.error(self.at, "DeleteUnsupported", message, "use none" if group else "use disable or none")
        if step.action is Action.DISABLE and maps_activity(self.rows) is None:
            message = f"{key} asks for disable, and nothing is mapped from IsSoftDeleted"
            self.findings.error(self.at, "DisableUnsupported", message, "map IsSoftDeleted, or use none")
        return self._set_attribute(key, step) if step.action is Action.SET_ATTRIBUTE else step

    def _set_attribute(self, key: str, step: Deprovisioning) -> Deprovisioning:
        wanted = target_key(step.attribute or "")
        row = next((row for row in self.rows if wanted and target_key(row.definition.name) == wanted), None)
        if row is None:
            message = f"{key} sets {step.attribute}, which is not mapped"
            self.findings.error(self.at, "UnknownTargetAttribute", message, "name an attribute that is mapped")
            return step
        name = row.definition.name
        if row.definition.type is AttributeType.REFERENCE:
            message = f"{key} sets {name}, which is a reference"
            self.findings.error(self.at, "NotAReference", message, "name an attribute that is no reference")
            return step
        if row.definition.mutability is Mutability.IMMUTABLE:
            message = f"{key} sets {name}, which is immutable at the target"
            self.findings.error(self.at, "NotWritable", message, "name an attribute that can be changed")
            return step
        needed = row.definition.required or row.mapping.matching_priority > 0
        if needed and (is_empty(step.value) or (isinstance(step.value, str) and not step.value.strip())):
            why = "required" if row.definition.required else "matched by"
            message = f"{key} sets {name} to nothing, and it is {why}"
            self.findings.error(self.at, "EmptyValue", message, "give it a value, or name another attribute")
            return step
        try:
            value = converter(row.definition.type, multivalued=row.definition.multivalued)(step.value)
        except ConversionError as error:
            message = f"the value that {key} sets {error}"
            self.findings.error(self.at, "WrongType", message, f"give {name} a fitting value")
            return step
        if "\x00" in str(step.value):
            message = f"the value that {key} sets holds the character NUL (U+0000), which cannot be kept"
            self.findings.error(self.at, "NulCharacter", message, "remove it")
        return replace(step, attribute=name, value=value)
