"""Mapping: from Graph properties to what is wanted at the target, and which of it flows when."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.diff.core import Decision, assignment_arrived
from services.diff.decision_table import digests_of, look_at
from services.diff.demands import demanded
from services.diff.mapping import kept_back
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from services.diff.rules import Rules
from services.diff.scope import SkipCode
from services.diff.wanted import Case, Kind
from shared.contracts.changes import REDACTED, MatchingValue, ModifiedAttribute, Operation
from shared.contracts.on_demand import DemandFact
from shared.contracts.outcomes import Result, StepType
from shared.contracts.public import UserStatus
from shared.contracts.synchronization_schema import AttributeType, FlowBehavior, FlowType
from shared.schema.mapping import MappedAttribute
from tests.support.builders_diff import (
    OBJECT,
    OTHER_ROLE,
    USER_ROLE,
    assignment,
    change,
    changes,
    mapping_of,
    occasion,
    outcome,
    rules,
    skips,
)
from tests.support.builders_mapping import mapped_attribute

EMPTY: list[Any] = [None, "", []]
WORK_MAIL = 'emails[type eq "work"].value'


def case(job_rules: Rules | None = None, **attributes: Any) -> Case:
    item = assignment(**attributes)
    return look_at(Person(job_id=item.job_id, object_id=item.object_id, assignment=item), job_rules or rules())


def row(path: str, **properties: Any) -> MappedAttribute:
    """The template's row for ``path`` with other properties."""
    return replace(mapping_of().attributes[path], **properties)


def settled(job_rules: Rules, decision: Decision) -> Person:
    while sent := changes(decision):
        decision = outcome_arrived(decision.person, outcome(sent[0]), occasion(job_rules))
    return decision.person


def provisioned(job_rules: Rules, **attributes: Any) -> Person:
    return settled(job_rules, assignment_arrived(None, assignment(**attributes), occasion(job_rules)))


def arrives(job_rules: Rules, person: Person, **attributes: Any) -> tuple[ModifiedAttribute, ...]:
    """What is modified when the person's attributes become these."""
    decision = assignment_arrived(person, assignment(person.assignment.sequence + 1, **attributes), occasion(job_rules))
    return change(decision).modified if changes(decision) else ()


def paths(modified: tuple[ModifiedAttribute, ...]) -> list[tuple[str, Any]]:
    return [(item.path, item.new) for item in modified]


def test_every_mapped_property_gets_its_scim_path() -> None:
    mapped = case(jobTitle="Buyer", city="Oslo", department="Sales").mapped
    assert mapped.values == {
        "externalId": OBJECT,
        "userName": "ada@example.org",
        "name.givenName": "Ada",
        "name.familyName": "Example",
        "displayName": "Ada Example",
        "title": "Buyer",
        'addresses[type eq "work"].locality': "Oslo",
        WORK_MAIL: "ada@example.org",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "Sales",
        "active": True,
    }
    assert mapped.matching == (MatchingValue(attribute="externalId", value=OBJECT),)


@pytest.mark.parametrize("empty", EMPTY)
def test_null_is_not_provisioned(empty: Any) -> None:
    assert "title" not in case(jobTitle=empty).mapped.values


@pytest.mark.parametrize("empty", EMPTY)
def test_a_missing_required_value_is_named(empty: Any) -> None:
    failed = kept_back(case(userPrincipalName=empty).mapped, rules())
    assert [condition.code for condition in failed] == [SkipCode.ATTRIBUTE_VALIDATION_FAILED]
    assert "userName" in failed[0].reason
    assert "userPrincipalName" in failed[0].reason


def test_a_guest_goes_by_the_name_at_home_and_the_original_name_is_there_too() -> None:
    original = rules(mapping_of(mapped_attribute("nickName", source="originalUserPrincipalName")))
    values = case(original, userPrincipalName="a_b_home.example#EXT#@tenant.example").mapped.values
    assert values["userName"] == "a_b@home.example"
    assert values["nickName"] == "a_b_home.example#EXT#@tenant.example"


def test_roles_are_there_for_expressions_without_default_access() -> None:
    by_role = rules(
        mapping_of(mapped_attribute("userType", expression="SingleAppRoleAssignment([appRoleAssignments])"))
    )
    item = assignment(roles=[USER_ROLE])
    found = look_at(Person(job_id=item.job_id, object_id=item.object_id, assignment=item), by_role).mapped.values
    assert found["userType"] == "User"


def test_whoever_is_out_is_soft_deleted_for_the_mapping() -> None:
    assert case().mapped.values["active"] is True
    assert case(assigned=False).mapped.values["active"] is False


def test_now_and_guid_are_the_same_for_the_same_assignment() -> None:
    job_rules = rules(
        mapping_of(
            mapped_attribute("nickName", expression="Guid()"),
            mapped_attribute("userType", expression='Append(Now(), "")'),
        )
    )
    assert case(job_rules).mapped == case(job_rules).mapped


def test_a_default_flows_only_with_a_create() -> None:
    job_rules = rules(mapping_of(row("title", default="Staff", flow_null_values=False)))
    created = assignment_arrived(None, assignment(jobTitle=None), occasion(job_rules))
    assert change(created).resource["title"] == "Staff"
    person = provisioned(job_rules, jobTitle="Buyer")
    assert arrives(job_rules, person, jobTitle=None) == ()
    assert arrives(job_rules, provisioned(job_rules, jobTitle=None), jobTitle=None) == ()


@pytest.mark.parametrize("exact", [True, False], ids=["caseExact", "any case"])
def test_a_difference_in_case_alone_counts_only_where_case_is_exact(exact: bool) -> None:
    job_rules = rules(mapping_of(row("title", case_exact=exact)))
    person = provisioned(job_rules, jobTitle="Buyer")
    assert paths(arrives(job_rules, person, jobTitle="BUYER")) == ([("title", "BUYER")] if exact else [])
    assert paths(arrives(job_rules, person, jobTitle="Seller")) == [("title", "Seller")]


@pytest.mark.parametrize("flows", [True, False], ids=["FlowNullValues on", "off"])
def test_a_cleared_attribute_is_removed_where_the_mapping_says_so(flows: bool) -> None:
    job_rules = rules(mapping_of(row("title", flow_null_values=flows)))
    person = provisioned(job_rules, jobTitle="Buyer")
    decision = assignment_arrived(person, assignment(2, jobTitle=None), occasion(job_rules))
    if not flows:
        assert decision.kind is Kind.NOTHING
        return
    sent = change(decision)
    assert [(item.path, item.old, item.new) for item in sent.modified] == [("title", "Buyer", None)]
    assert "title" not in sent.resource
    cleared = settled(job_rules, decision)
    assert arrives(job_rules, cleared, jobTitle=None) == ()
    assert paths(arrives(job_rules, cleared, jobTitle="Buyer")) == [("title", "Buyer")]


def test_what_was_never_written_is_not_removed() -> None:
    job_rules = rules(mapping_of(row("title", flow_null_values=True)))
    assert arrives(job_rules, provisioned(job_rules, jobTitle=None), jobTitle=None) == ()


def test_a_clearing_while_its_value_is_on_its_way_is_written() -> None:
    job_rules = rules(mapping_of(row("title", flow_null_values=True)))
    person = provisioned(job_rules, jobTitle=None)
    going = assignment_arrived(person, assignment(2, jobTitle="Buyer"), occasion(job_rules))
    cleared = assignment_arrived(going.person, assignment(3, jobTitle=None), occasion(job_rules))
    assert paths(change(cleared).modified) == [("title", None)]


FLOWS = [
    # flow type, held, becomes, what is written
    (FlowType.ALWAYS, "Buyer", "Seller", [("title", "Seller")]),
    (FlowType.ALWAYS, "Buyer", None, [("title", None)]),
    (FlowType.OBJECT_ADD_ONLY, "Buyer", "Seller", []),
    (FlowType.OBJECT_ADD_ONLY, None, "Seller", []),
    (FlowType.ATTRIBUTE_ADD_ONLY, "Buyer", "Seller", []),
    (FlowType.ATTRIBUTE_ADD_ONLY, None, "Seller", [("title", "Seller")]),
    (FlowType.VALUE_ADD_ONLY, "Buyer", "Seller", [("title", "Seller")]),
    (FlowType.VALUE_ADD_ONLY, "Buyer", None, []),
    (FlowType.MULTI_VALUE_ADD_ONLY, None, "Seller", [("title", "Seller")]),
    (FlowType.MULTI_VALUE_ADD_ONLY, "Buyer", "Seller", []),
]


@pytest.mark.parametrize(
    ("flow", "held", "becomes", "written"),
    FLOWS,
    ids=[f"{flow}: {held} to {becomes}" for flow, held, becomes, _ in FLOWS],
)
def test_flow_types(flow: FlowType, held: Any, becomes: Any, written: list[tuple[str, Any]]) -> None:
    job_rules = rules(mapping_of(row("title", flow_type=flow, flow_null_values=True)))
    created = assignment_arrived(None, assignment(jobTitle=held), occasion(job_rules))
    assert change(created).resource.get("title") == held
    assert paths(arrives(job_rules, settled(job_rules, created), jobTitle=becomes)) == written


def test_values_are_only_added_to_a_multi_valued_attribute_that_says_so() -> None:
    several = mapped_attribute(
        "otherMails", source="otherMails", multivalued=True, flow_type=FlowType.MULTI_VALUE_ADD_ONLY
    )
    job_rules = rules(mapping_of(several))
    person = provisioned(job_rules, otherMails=["a@example.org"])
    assert paths(arrives(job_rules, person, otherMails=["b@example.org"])) == [
        ("otherMails", ["a@example.org", "b@example.org"])
    ]


def test_flow_always_goes_with_every_update_and_causes_none() -> None:
    job_rules = rules(mapping_of(row("title", flow_behavior=FlowBehavior.FLOW_ALWAYS)))
    person = provisioned(job_rules, jobTitle="Buyer")
    assert arrives(job_rules, person, jobTitle="Buyer") == ()
    again = arrives(job_rules, person, jobTitle="Buyer", surname="Sample")
    assert paths(again) == [("name.familyName", "Sample"), ("title", "Buyer")]


def test_the_writer_is_told_what_an_account_that_exists_keeps() -> None:
    job_rules = rules(
        mapping_of(
            row("title", flow_type=FlowType.OBJECT_ADD_ONLY),
            row("displayName", flow_type=FlowType.ATTRIBUTE_ADD_ONLY),
            row("userName", redact=True),
        )
    )
    sent = change(assignment_arrived(None, assignment(jobTitle="Buyer"), occasion(job_rules)))
    assert (sent.only_on_create, sent.only_if_absent, sent.redacted) == (("title",), ("displayName",), ("userName",))
    assert sent.resource["userName"] == "ada@example.org"


def test_a_redacted_matching_value_is_not_shown_on_demand_and_is_matched_by_all_the_same() -> None:
    job_rules = rules(mapping_of(row("externalId", redact=True)))
    decision = demanded(None, assignment().model_copy(update={"request_id": "request-1"}), occasion(job_rules))
    (told,) = [item.message for item in decision.emissions if isinstance(item.message, DemandFact)]
    shown = [step.details["matching"] for step in told.steps if step.type is StepType.MATCHING]
    assert shown == [[{"attribute": "externalId", "value": REDACTED}]]
    assert change(decision).matching == (MatchingValue(attribute="externalId", value=OBJECT),)


def test_with_update_off_an_account_that_exists_keeps_everything() -> None:
    job_rules = rules(mapping_of(flows=frozenset({"Add", "Delete"})))
    sent = change(assignment_arrived(None, assignment(), occasion(job_rules)))
    assert set(sent.only_on_create) >= set(sent.resource)


def test_an_optional_attribute_that_fails_is_left_as_it_is_and_told() -> None:
    number = mapped_attribute("title", source="jobTitle", kind=AttributeType.INTEGER)
    job_rules = rules(mapping_of(number))
    created = assignment_arrived(None, assignment(jobTitle="secret words"), occasion(job_rules))
    assert change(created).operation is Operation.CREATE
    assert "title is left as it is: is not a whole number" in change(created).reason
    assert "secret words" not in change(created).reason
    person = provisioned(job_rules, jobTitle="5")
    decision = assignment_arrived(person, assignment(2, jobTitle="secret words"), occasion(job_rules))
    assert (decision.kind, decision.person.status) == (Kind.NOTHING, UserStatus.PROVISIONED)
    assert decision.person.reasons[0].startswith("title is left as it is")
    assert decision.person.account is not None
    assert decision.person.account.resource["title"] == 5


def test_a_required_attribute_that_fails_keeps_a_creation_back() -> None:
    number = mapped_attribute("title", source="jobTitle", kind=AttributeType.INTEGER, required=True)
    decision = assignment_arrived(None, assignment(jobTitle="words"), occasion(rules(mapping_of(number))))
    assert changes(decision) == []
    assert "title is required and could not be made from jobTitle" in skips(decision)[0].reasons[0]


def test_an_expression_that_ignores_the_object_leaves_it_alone() -> None:
    # No function of the language says so; what a mapping answers with is what counts.
    class Ignoring:
        attributes = ("jobTitle",)
        random = False

        def evaluate(self, attributes: Any, context: Any) -> Any:
            from shared.schema.expressions import IGNORE_OBJECT

            return IGNORE_OBJECT if attributes["jobTitle"] == "Robot" else "Person"

    ignoring: Any = replace(mapped_attribute("userType", expression="ToLower([jobTitle])"), expression=Ignoring())
    job_rules = rules(mapping_of(ignoring))
    person = provisioned(job_rules)
    decision = assignment_arrived(person, assignment(2, jobTitle="Robot", surname="Sample"), occasion(job_rules))
    assert changes(decision) == []
    assert "IgnoreObjectFlow" in skips(decision)[0].reason


def test_who_has_which_value_is_kept_only_for_values_that_two_users_may_share() -> None:
    assert not rules().shared_values
    by_name = rules(mapping_of(row("userName", matching_priority=2)))
    assert by_name.shared_values
    names = [
        digests_of(
            Person(job_id="job", object_id=number, assignment=assignment(object_id=number, userPrincipalName=name)),
            by_name,
        )
        for number, name in (("1", "ada@example.org"), ("2", "ADA@example.org"), ("3", "eve@example.org"))
    ]
    assert len(names[0] & names[1]) == 1
    assert not names[0] & names[2]
    gone = Person(job_id="job", object_id="1", assignment=assignment(assigned=False))
    assert digests_of(gone, by_name) == frozenset()


def test_matching_values_stand_in_order_of_precedence() -> None:
    both = rules(mapping_of(row("userName", matching_priority=1), row("externalId", matching_priority=2)))
    assert [item.attribute for item in case(both).mapped.matching] == ["userName", "externalId"]


def test_adopting_keeps_what_the_account_had_for_attributes_that_flow_only_at_creation() -> None:
    job_rules = rules(mapping_of(row("title", flow_type=FlowType.OBJECT_ADD_ONLY)))
    decision = assignment_arrived(None, assignment(jobTitle="Buyer"), occasion(job_rules))
    held = {**change(decision).resource, "title": "Its own"}
    adopted = outcome_arrived(
        decision.person, outcome(change(decision), Result.ADOPTED, resource=held), occasion(job_rules)
    )
    assert changes(adopted) == []


ANYTHING = st.sampled_from([None, "", " ", "a", "É", "0", [], ["a"], ["a", "b"], {}, {"a": 1}, True, False, 0, 7])


@given(st.dictionaries(st.sampled_from(["jobTitle", "city", "mail", "displayName"]), ANYTHING))
def test_no_empty_value_is_ever_wanted_and_the_same_input_maps_the_same(values: dict[str, Any]) -> None:
    mapped = case(**values).mapped
    assert all(value not in EMPTY for value in mapped.values.values())
    assert mapped == case(**values).mapped


VALUES = st.fixed_dictionaries(
    {name: st.sampled_from([None, "a", "A", "b"]) for name in ("jobTitle", "city", "displayName")}
)


@given(st.sampled_from(list(FlowType)), st.booleans(), st.booleans(), VALUES, VALUES)
def test_i7_once_carried_out_the_same_is_never_wanted_again(
    flow: FlowType, exact: bool, flows_null: bool, first: dict[str, Any], second: dict[str, Any]
) -> None:
    job_rules = rules(mapping_of(row("title", flow_type=flow, case_exact=exact, flow_null_values=flows_null)))
    person = provisioned(job_rules, **first)
    person = settled(job_rules, assignment_arrived(person, assignment(2, **second), occasion(job_rules)))
    assert arrives(job_rules, person, **second) == ()
    assert OTHER_ROLE not in person.assignment.roles
