"""Everything that is wrong with a schema, found at once: what cannot be done is refused by name and place, never dropped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import (
    FORMAT,
    Metadata,
    ObjectFlow,
    ObjectMapping,
    SynchronizationRule,
    SynchronizationSchema,
)
from shared.contracts.templates.template import Template
from shared.schema.checks_of_attributes import Row, check_attributes, maps_activity
from shared.schema.checks_of_filters import check_filter
from shared.schema.findings import Finding, Findings, SchemaRefusedError
from shared.schema.options import FLOW_NULL_VALUES, FORMAT_KEY, Action, OptionError, Options, read_options, read_switch
from shared.schema.target_attributes import object_type_of, target_attributes, target_key

_WORDS: Final = {
    "missing": ("is required", "add it"),
    "not_a_member": ("has a value that is not known", ""),
    "not_flags": ("", ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedMapping:
    """One object mapping as it was checked."""

    object_type: ObjectType
    mapping: ObjectMapping
    rows: tuple[Row, ...]
    activity: Row | None
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A schema that was looked through: its mappings, and what was found. It can be used when no finding is an error."""

    schema: SynchronizationSchema
    mappings: Mapping[ObjectType, CheckedMapping]
    findings: tuple[Finding, ...]


def read_schema(document: Mapping[str, Any]) -> SynchronizationSchema:
    """Return the schema that a JSON document says; raises ``SchemaRefusedError`` with every place that does not fit."""
    try:
        return SynchronizationSchema.model_validate(document)
    except ValidationError as error:
        found = Findings()
        for item in error.errors(include_url=False, include_input=False):
            path = ".".join(str(step) for step in item["loc"])
            found.error(path, "InvalidDocument", f"the value {item['msg'][:1].lower()}{item['msg'][1:]}", "correct it")
        raise SchemaRefusedError(found.all()) from None


def check_schema(schema: SynchronizationSchema, template: Template) -> Checked:
    """Look through a schema for a job of ``template``."""
    findings = Findings()
    _format(schema, findings)
    mappings: dict[ObjectType, CheckedMapping] = {}
    rules = [(index, rule) for index, rule in enumerate(schema.synchronization_rules) if rule.object_mappings]
    if not rules:
        findings.error(
            "synchronizationRules", "NoRule", "the schema maps nothing", "add a rule with a mapping of users"
        )
    for index, rule in rules:
        _rule(f"synchronizationRules.{index}", schema, rule, template, mappings, findings)
    if rules and ObjectType.USER not in mappings:
        findings.error(
            "synchronizationRules", "NoUserMapping", "the schema has no mapping of users", "add one from User to User"
        )
    return Checked(schema=schema, mappings=mappings, findings=findings.all())


def _format(schema: SynchronizationSchema, findings: Findings) -> None:
    for index, entry in enumerate(schema.metadata):
        if entry.key == FORMAT_KEY and entry.value.strip() not in {str(number) for number in range(1, FORMAT + 1)}:
            message = f"the schema was written by a newer Seatkeeper ({FORMAT_KEY} is not {FORMAT} or lower)"
            findings.error(
                f"metadata.{index}",
                "NewerFormat",
                message,
                "upgrade Seatkeeper, or export the schema from this version",
            )


def _rule(
    at: str,
    schema: SynchronizationSchema,
    rule: SynchronizationRule,
    template: Template,
    mappings: dict[ObjectType, CheckedMapping],
    findings: Findings,
) -> None:
    if schema.directories:
        for key, name in (
            ("sourceDirectoryName", rule.source_directory_name),
            ("targetDirectoryName", rule.target_directory_name),
        ):
            if schema.directory(name) is None:
                message = f"there is no directory {name or 'without a name'}"
                findings.error(f"{at}.{key}", "UnknownDirectory", message, "name one of directories")
    for key, value in (("containerFilter", rule.container_filter), ("groupFilter", rule.group_filter)):
        if value and any(item for name, item in value.items() if "@" not in name):
            message = f"{key} is not supported"
            findings.error(f"{at}.{key}", "Unsupported", message, "use a scoping filter in scope, and set this to null")
    for index, mapping in enumerate(rule.object_mappings):
        here = f"{at}.objectMappings.{index}"
        kind, target = object_type_of(mapping.source_object_name), object_type_of(mapping.target_object_name)
        if kind is None or kind is not target:
            if mapping.enabled:
                message = f"{mapping.source_object_name} cannot become {mapping.target_object_name}"
                findings.error(
                    here, "UnsupportedObject", message, "map User to User and Group to Group, or set enabled to false"
                )
            continue
        if kind in mappings:
            message = f"{mapping.source_object_name} is mapped twice"
            findings.error(here, "DuplicateObjectMapping", message, "remove one of the two mappings")
            continue
        mappings[kind] = _object(here, schema, rule, mapping, kind, template, findings)


def _object(
    at: str,
    schema: SynchronizationSchema,
    rule: SynchronizationRule,
    mapping: ObjectMapping,
    kind: ObjectType,
    template: Template,
    findings: Findings,
) -> CheckedMapping:
    users, capabilities = kind is ObjectType.USER, template.capabilities
    if users and not mapping.enabled:
        message = "the mapping of users is not enabled, which is not supported"
        findings.error(f"{at}.enabled", "UsersDisabled", message, "set it to true; pause the job to stop provisioning")
    if not users and mapping.enabled and not capabilities.groups:
        message = f"{template.display_name} takes no groups"
        findings.error(f"{at}.enabled", "GroupsUnsupported", message, "set it to false")
    known = target_attributes(schema, rule, kind, template)
    rows = check_attributes(f"{at}.attributeMappings", mapping.attribute_mappings, kind, known, capabilities, findings)
    check_filter(f"{at}.scope", mapping.scope, kind, findings)
    if mapping.enabled and not any(item.matching_priority for item in mapping.attribute_mappings):
        message = "no attribute is matched by, so nobody who is at the target already would be found"
        findings.error(f"{at}.attributeMappings", "NoMatching", message, "set matchingPriority of one mapping to 1")
    activity = maps_activity(rows)
    if users:
        _activity(at, rows, activity, findings)
        _required(at, rows, known, findings)
    options = _options(at, mapping, kind, template, rows, activity, findings)
    if not mapping.flow_types:
        message = "no target object action is allowed, so nothing is ever written"
        findings.warning(f"{at}.flowTypes", "NoActions", message, f"allow some of {', '.join(ObjectFlow)}")
    return CheckedMapping(object_type=kind, mapping=mapping, rows=tuple(rows), activity=activity, options=options)


def _activity(at: str, rows: list[Row], activity: Row | None, findings: Findings) -> None:
    if activity is not None:
        return
    active = next((row for row in rows if target_key(row.definition.name) == "active"), None)
    place = f"{active.at}.source" if active else f"{at}.attributeMappings"
    message = "nothing is mapped from IsSoftDeleted, so nobody who leaves is ever disabled and no license comes back"
    remedy = 'map Switch([IsSoftDeleted], , "False", "True", "True", "False") to active'
    findings.warning(place, "ActivityNotMapped", message, remedy)


def _required(at: str, rows: list[Row], known: Mapping[str, Any], findings: Findings) -> None:
    mapped = {target_key(row.definition.name) for row in rows}
    for key, definition in known.items():
        if definition.required and key not in mapped:
            message = f"the target requires {definition.name}, and nothing is mapped to it"
            findings.error(f"{at}.attributeMappings", "RequiredNotMapped", message, "add a mapping to it")


def _options(
    at: str,
    mapping: ObjectMapping,
    kind: ObjectType,
    template: Template,
    rows: list[Row],
    activity: Row | None,
    findings: Findings,
) -> Options:
    try:
        options = read_options(mapping.metadata, kind, template.capabilities)
        for row in rows:
            read_switch(row.definition.metadata, FLOW_NULL_VALUES)
    except OptionError as error:
        findings.error(f"{at}.metadata", "InvalidOption", error.message, error.remedy)
        return read_options((), kind, template.capabilities)
    said = {entry.key for entry in mapping.metadata}
    mapped = {row.definition.name for row in rows}
    can_delete = template.capabilities.group_delete if kind is ObjectType.GROUP else template.capabilities.delete
    for event, step in options.deprovisioning.items():
        key = f"Seatkeeper.When{event}"
        if key not in said:
            continue
        if step.action is Action.DELETE and not can_delete:
            message = f"{key} asks for delete, and {template.display_name} does not delete"
            findings.error(f"{at}.metadata", "DeleteUnsupported", message, "use disable or none")
        if step.action is Action.DISABLE and activity is None:
            message = f"{key} asks for disable, and nothing is mapped from IsSoftDeleted"
            findings.error(f"{at}.metadata", "DisableUnsupported", message, "map IsSoftDeleted, or use none")
        if step.action is Action.SET_ATTRIBUTE and step.attribute not in mapped:
            message = f"{key} sets {step.attribute}, which is not mapped"
            findings.error(f"{at}.metadata", "UnknownTargetAttribute", message, "name an attribute that is mapped")
    return options


def metadata_value(metadata: Metadata, key: str) -> str | None:
    """Return the value of an entry, or nothing."""
    return next((entry.value for entry in metadata if entry.key == key), None)
