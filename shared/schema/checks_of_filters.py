"""What can be wrong with the filters of one object mapping."""

from typing import Final

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import AttributeType, Filter, FilterClause
from shared.schema.checks_of_attributes import unknown_attribute
from shared.schema.expressions.dotnet_regex import PatternError, compile_pattern
from shared.schema.filter_operators import INTEGER, OPERATORS, Kind, Operator, find_operator, why_unsupported
from shared.schema.findings import Findings
from shared.schema.source_attributes import IS_SOFT_DELETED, SOURCE_ATTRIBUTES, Nature, find_source_attribute

_FORBIDDEN: Final = frozenset(
    {
        "appRoleAssignments",
        "userType",
        "manager",
        "members",
        "StatusHireDate",
        "StatusTerminationDate",
        "startDate",
        "endDate",
        "accountExpires",
    }
)
_FORBIDDEN_NATURES: Final = {
    Nature.DATE: "a date",
    Nature.REFERENCE: "a reference",
    Nature.MULTI_VALUED: "multi-valued",
    Nature.COMPLEX: "complex",
}
_TYPES: Final = {
    Nature.TEXT: AttributeType.STRING,
    Nature.INTEGER: AttributeType.INTEGER,
    Nature.BOOLEAN: AttributeType.BOOLEAN,
}


def check_filter(at: str, filter_: Filter | None, object_type: ObjectType, findings: Findings) -> None:
    """Note what is wrong with the filters at ``at``."""
    if filter_ is None:
        return
    for kind, groups in (
        ("groups", filter_.groups),
        ("inputFilterGroups", filter_.input_filter_groups),
        ("categoryFilterGroups", filter_.category_filter_groups),
    ):
        for number, group in enumerate(groups):
            here = f"{at}.{kind}.{number}"
            if not group.clauses:
                message = f"the group {group.name or number} has no clause"
                findings.warning(here, "EmptyFilterGroup", message, "remove it: it is left out of the filter")
            for index, clause in enumerate(group.clauses):
                _clause(f"{here}.clauses.{index}", clause, object_type, findings)


def _clause(at: str, clause: FilterClause, object_type: ObjectType, findings: Findings) -> None:
    _attribute(f"{at}.sourceOperandName", clause.source_operand_name, object_type, findings)
    operator = find_operator(clause.operator_name)
    if operator is None:
        why = why_unsupported(clause.operator_name) or f"{clause.operator_name} is not an operator of filters"
        remedy = f"use one of {', '.join(OPERATORS)}"
        findings.error(f"{at}.operatorName", "UnsupportedOperator", why, remedy)
        return
    _supported(f"{at}.operatorName", operator, clause.source_operand_name, object_type, findings)
    _operands(f"{at}.targetOperand.values", operator, clause, findings)
    if operator.negative:
        message = f"{operator.name} is also false for everybody whose {clause.source_operand_name} is empty"
        remedy = "add a group with IS NULL if they are to pass"
        findings.warning(at, "NullRule", message, remedy)


def _attribute(at: str, name: str, object_type: ObjectType, findings: Findings) -> None:
    attribute = find_source_attribute(object_type, name)
    why = None
    if name in _FORBIDDEN:
        why = "one of those that Entra keeps out of filters"
    elif name == IS_SOFT_DELETED:
        why = "computed from the scope itself"
    elif attribute is not None:
        why = _FORBIDDEN_NATURES.get(attribute.nature)
    if why:
        message = f"{name} cannot be used in a filter: it is {why}"
        findings.error(at, "ForbiddenFilterAttribute", message, "filter by a single-valued attribute that is no date")
    elif attribute is None:
        findings.error(at, "UnknownSourceAttribute", *unknown_attribute(name, object_type))


def _supported(at: str, operator: Operator, name: str, object_type: ObjectType, findings: Findings) -> None:
    """Note an operator that is not for values of this kind. Of a directory extension the kind is not known."""
    attribute = SOURCE_ATTRIBUTES[object_type].get(name)
    kind = _TYPES.get(attribute.nature) if attribute is not None else None
    if kind is None or kind in operator.supported:
        return
    message = f"{operator.name} is not for {name}, which is a {kind.value}"
    fitting = [item.name for item in OPERATORS.values() if kind in item.supported]
    findings.error(at, "UnsupportedOperator", message, f"use one of {', '.join(fitting)}")


def _operands(at: str, operator: Operator, clause: FilterClause, findings: Findings) -> None:
    values = clause.target_operand.values
    if operator.unary:
        if any(values):
            findings.warning(at, "OperandIgnored", f"{operator.name} compares with nothing", "leave values empty")
        return
    if not values or not any(values):
        findings.error(at, "OperandMissing", f"{operator.name} has nothing to compare with", "give one value")
        return
    for index, value in enumerate(values):
        here = f"{at}.{index}"
        if not value:
            message = f"{operator.name} compares with an empty text, which is no value"
            findings.error(here, "OperandMissing", message, "remove it, or add a group with IS NULL")
            continue
        if operator.kind is Kind.SIZE and not INTEGER.fullmatch(value):
            findings.error(here, "NotAnInteger", f"{operator.name} compares whole numbers", "use 0, 1, 2 and so on")
        if operator.kind is Kind.PATTERN:
            _pattern(here, value, findings)


def _pattern(at: str, pattern: str, findings: Findings) -> None:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        message, remedy = (
            f"the regular expression cannot be used: {error.args[0]}",
            "correct it; the dialect is that of .NET",
        )
        findings.error(at, "InvalidPattern", message, remedy, position=getattr(error, "position", None))
        return
    if not (pattern.startswith(("^", "\\A")) and pattern.endswith(("$", "\\z", "\\Z"))):
        message = "the regular expression has no anchors, so it matches anywhere in the value"
        findings.warning(
            at, "UnanchoredPattern", message, "begin it with ^ and end it with $ if the whole value is meant"
        )
