"""Everything that is wrong with a schema, found at once: what cannot be done is refused by name and place, never dropped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import (
    FORMAT,
    Mutability,
    ObjectFlow,
    ObjectMapping,
    SynchronizationRule,
    SynchronizationSchema,
)
from shared.contracts.templates.template import Template
from shared.schema.checks_of_attributes import AttributeChecks, Row, doubt_of_activity, maps_activity, reading_activity
from shared.schema.checks_of_filters import check_filter
from shared.schema.checks_of_options import check_options
from shared.schema.checks_of_patterns import check_patterns
from shared.schema.findings import Finding, Findings, SchemaRefusedError
from shared.schema.options import FORMAT_KEY, Options
from shared.schema.target_attributes import object_type_of, target_attributes, target_key


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
    nul = Findings()
    for place in _places_of_nul(document):
        nul.error(place, "NulCharacter", "the text holds the character NUL (U+0000), which cannot be kept", "remove it")
    if nul.all():
        raise SchemaRefusedError(nul.all())
    try:
        return SynchronizationSchema.model_validate(document)
    except ValidationError as error:
        found = Findings()
        for item in error.errors(include_url=False, include_input=False):
            path = ".".join(str(step) for step in item["loc"])
            found.error(path, "InvalidDocument", f"the value {item['msg'][:1].lower()}{item['msg'][1:]}", "correct it")
        raise SchemaRefusedError(found.all()) from None


def _places_of_nul(document: Mapping[str, Any]) -> list[str]:
    """Return the place of every text with a NUL, which PostgreSQL's jsonb refuses; of a name that has one, the place that it stands in."""
    found: list[str] = []
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str) and "\x00" in value:
            found.append(place)
        elif isinstance(value, Mapping):
            found.extend(place for name in value if "\x00" in name)
            waiting.extend((f"{place}.{name}".lstrip("."), item) for name, item in value.items() if "\x00" not in name)
        elif isinstance(value, list | tuple):
            waiting.extend((f"{place}.{index}".lstrip("."), item) for index, item in enumerate(value))
    return sorted(found)


def check_schema(schema: SynchronizationSchema, template: Template) -> Checked:
    """Look through a schema for a job of ``template``."""
    checks = _SchemaChecks(schema=schema, template=template)
    checks.run()
    return Checked(schema=schema, mappings=checks.mappings, findings=checks.findings.all())


@dataclass(frozen=True, slots=True, kw_only=True)
class _SchemaChecks:
    """Looks through one schema, from the outside in."""

    schema: SynchronizationSchema
    template: Template
    mappings: dict[ObjectType, CheckedMapping] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)

    def run(self) -> None:
        """Fill ``mappings`` and ``findings``."""
        self._format()
        if not check_patterns(self.schema, self.findings):
            return
        rules = [(index, rule) for index, rule in enumerate(self.schema.synchronization_rules) if rule.object_mappings]
        place = "synchronizationRules"
        if not rules:
            self.findings.error(place, "NoRule", "the schema maps nothing", "add a rule with a mapping of users")
        for index, rule in rules:
            self._rule(f"{place}.{index}", rule)
        if rules and ObjectType.USER not in self.mappings:
            message = "the schema has no mapping of users"
            self.findings.error(place, "NoUserMapping", message, "add one from User to User")

    def _format(self) -> None:
        readable = {str(number) for number in range(1, FORMAT + 1)}
        for index, entry in enumerate(self.schema.metadata):
            if entry.key == FORMAT_KEY and entry.value.strip() not in readable:
                message = f"the schema was written by a newer Seatkeeper ({FORMAT_KEY} is above {FORMAT})"
                remedy = "upgrade Seatkeeper, or export the schema from this version"
                self.findings.error(f"metadata.{index}", "NewerFormat", message, remedy)

    def _rule(self, at: str, rule: SynchronizationRule) -> None:
        if self.schema.directories:
            names = {
                "sourceDirectoryName": rule.source_directory_name,
                "targetDirectoryName": rule.target_directory_name,
            }
            for key, name in names.items():
                if self.schema.directory(name) is None:
                    message = f"there is no directory {name or 'without a name'}"
                    self.findings.error(f"{at}.{key}", "UnknownDirectory", message, "name one of directories")
        for key, value in (("containerFilter", rule.container_filter), ("groupFilter", rule.group_filter)):
            if value and any(item for name, item in value.items() if "@" not in name):
                remedy = "use a scoping filter in scope, and set this to null"
                self.findings.error(f"{at}.{key}", "Unsupported", f"{key} is not supported", remedy)
        for index, mapping in enumerate(rule.object_mappings):
            here = f"{at}.objectMappings.{index}"
            source, target = mapping.source_object_name, mapping.target_object_name
            kind = object_type_of(source)
            if kind is None or kind is not object_type_of(target):
                if mapping.enabled:
                    remedy = "map User to User and Group to Group, or set enabled to false"
                    self.findings.error(here, "UnsupportedObject", f"{source} cannot become {target}", remedy)
            elif kind in self.mappings:
                message = f"{source} is mapped twice"
                self.findings.error(here, "DuplicateObjectMapping", message, "remove one of the two mappings")
            else:
                self.mappings[kind] = self._object(here, rule, mapping, kind)

    def _object(self, at: str, rule: SynchronizationRule, mapping: ObjectMapping, kind: ObjectType) -> CheckedMapping:
        users, capabilities, findings = kind is ObjectType.USER, self.template.capabilities, self.findings
        if users and not mapping.enabled:
            message = "the mapping of users is not enabled, which is not supported"
            findings.error(
                f"{at}.enabled", "UsersDisabled", message, "set it to true; pause the job to stop provisioning"
            )
        if not users and mapping.enabled and not capabilities.groups:
            message = f"{self.template.display_name} takes no groups"
            findings.error(f"{at}.enabled", "GroupsUnsupported", message, "set it to false")
        known = target_attributes(self.schema, rule, kind, self.template)
        checks = AttributeChecks(object_type=kind, known=known, capabilities=capabilities, findings=findings)
        rows = checks.run(f"{at}.attributeMappings", mapping.attribute_mappings)
        check_filter(f"{at}.scope", mapping.scope, kind, findings)
        if mapping.enabled and not any(item.matching_priority for item in mapping.attribute_mappings):
            message = "no attribute is matched by, so nobody who is at the target already would be found"
            findings.error(f"{at}.attributeMappings", "NoMatching", message, "set matchingPriority of one mapping to 1")
        activity = maps_activity(rows)
        if users:
            _activity(at, rows, activity, findings)
        if users or mapping.enabled:
            _required(at, rows, known, findings)
        if not mapping.flow_types:
            message = "no target object action is allowed, so nothing is ever written"
            findings.warning(f"{at}.flowTypes", "NoActions", message, f"allow some of {', '.join(ObjectFlow)}")
        options = check_options(at, mapping, kind, rows=rows, template=self.template, findings=findings)
        return CheckedMapping(object_type=kind, mapping=mapping, rows=tuple(rows), activity=activity, options=options)


def _activity(at: str, rows: list[Row], activity: Row | None, findings: Findings) -> None:
    if activity is not None:
        if activity.definition.mutability is Mutability.IMMUTABLE:
            message = f"{activity.definition.name} is mapped from IsSoftDeleted and immutable, so nobody who leaves could be disabled"
            remedy = "correct mutability in its definition, or map another attribute"
            findings.error(f"{activity.at}.targetAttributeName", "NotWritable", message, remedy)
        doubt = doubt_of_activity(activity)
        rivals = [row for row in reading_activity(rows) if row is not activity and doubt_of_activity(row) == doubt]
        if rivals:
            name, other = activity.definition.name, rivals[0].definition.name
            message = (
                f"{other} is mapped from IsSoftDeleted as {name} is, and {name} is what is written when somebody leaves"
            )
            remedy = "map IsSoftDeleted to one boolean alone, or put the one that is meant first"
            findings.warning(f"{rivals[0].at}.source", "AmbiguousActivity", message, remedy)
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
