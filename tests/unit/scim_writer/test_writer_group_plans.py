"""The plan of a command about a group: create, adopt, rename, delete."""

from typing import Any

import orjson
import pytest

from services.scim_writer.answers import Reply
from services.scim_writer.dialects import ENTRA, ENTRA_062020, RFC7644, Dialect
from services.scim_writer.requests import Kind
from services.scim_writer.resources import fingerprints
from services.scim_writer.trail import Finish, Profile, Work, uncertain
from shared.contracts.changes import Command, MatchingValue, Operation
from shared.contracts.failure_codes import ADVICE, Code
from shared.contracts.outcomes import Result, StepStatus
from tests.support.builders_scim_writer_groups import (
    NAME,
    TAKES_GROUPS,
    a_group_command,
    a_member_command,
    a_rename,
)
from tests.support.plans_scim_writer import EMPTY, LOST, OK, follow, found, kinds, operations, status

SEARCH = "/Groups?excludedAttributes=members&filter=displayName%20eq%20%22Sales%20EMEA%22"


def group(target_id: str, **values: Any) -> dict[str, Any]:
    return {"id": target_id, "displayName": NAME, "externalId": "emea", **values}


def done(command: Command, *replies: Reply, **work: Any) -> tuple[Finish, list[Any]]:
    return follow(Work(command=command, **work), *replies, profile=TAKES_GROUPS)


def code_of(finish: Finish) -> str:
    assert finish.failure is not None
    return finish.failure.code


def test_a_group_is_searched_by_name_without_its_members_and_created_without_any() -> None:
    finish, sent = done(a_group_command(), EMPTY, status(201, id="7"))
    assert [(each.method, each.path) for each in sent] == [("GET", SEARCH), ("POST", "/Groups")]
    assert orjson.loads(sent[1].body or b"") == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": NAME,
        "externalId": "emea",
    }
    assert (finish.result, finish.target_id, finish.reason) == (Result.DONE, "7", "The group was created.")
    assert finish.resource == {"displayName": NAME, "externalId": "emea"}
    assert [step.name for step in finish.steps] == ["Find the group at the target", "Write the group at the target"]


def test_members_in_the_resource_are_never_part_of_a_write_of_the_group() -> None:
    resource = {"displayName": NAME, "members": [{"value": "u1"}]}
    _, sent = done(a_group_command(resource=resource), EMPTY, status(201, id="7"))
    assert "members" not in orjson.loads(sent[1].body or b"")


def test_only_what_the_target_can_search_by_is_searched_by() -> None:
    by_id = MatchingValue(attribute="externalId", value="emea")
    by_name = MatchingValue(attribute="displayName", value=NAME)
    for matching in ((by_id, by_name), (by_id,), ()):
        _, sent = done(a_group_command(matching=matching), found(group("7")))
        assert [each.path for each in sent] == [SEARCH]


def test_an_existing_group_is_adopted_also_after_a_conflict() -> None:
    finish, sent = done(a_group_command(), found(group("7")))
    assert (kinds(sent), finish.result, finish.target_id) == ([Kind.LOOK], Result.ADOPTED, "7")
    finish, sent = done(a_group_command(), EMPTY, status(409), found(group("7", externalId="other")), OK)
    assert kinds(sent) == [Kind.LOOK, Kind.CREATE, Kind.LOOK, Kind.PATCH]
    assert operations(sent[3]) == [{"op": "replace", "path": "externalId", "value": "emea"}]
    assert (finish.result, finish.reason) == (Result.ADOPTED, "An existing group was adopted.")


def test_a_create_without_a_clear_answer_is_looked_for_and_is_then_ours() -> None:
    """I5"""
    finish, sent = done(a_group_command(), EMPTY, LOST)
    assert (kinds(sent), finish.result, finish.ambiguous) == ([Kind.LOOK, Kind.CREATE], Result.RETRY_LATER, True)
    finish, sent = done(a_group_command(), found(group("7")), ambiguous=True)
    assert (kinds(sent), finish.result, finish.target_id) == ([Kind.LOOK], Result.DONE, "7")


def test_two_groups_of_one_name_are_left_alone_and_the_advice_speaks_of_groups() -> None:
    finish, _ = done(a_group_command(), found(group("7"), group("8")))
    assert code_of(finish) == Code.DUPLICATE_TARGET_ENTRIES
    assert finish.reason == "2 groups have this displayName."
    assert finish.failure is not None
    assert finish.failure.advice != ADVICE[Code.DUPLICATE_TARGET_ENTRIES]
    assert "account" not in finish.failure.advice


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (RFC7644, [{"op": "replace", "path": "displayName", "value": "Sales"}]),
        (ENTRA, [{"op": "Replace", "path": "displayName", "value": "Sales"}]),
        (ENTRA_062020, [{"op": "replace", "value": {"displayName": "Sales"}}]),
    ],
    ids=lambda value: value.name if isinstance(value, Dialect) else "",
)
def test_a_rename_is_one_patch_of_the_name(dialect: Dialect, expected: Any) -> None:
    work = Work(command=a_rename(NAME, "Sales"), target_id="7")
    finish, sent = follow(work, OK, profile=Profile(groups=True, dialect=dialect))
    assert [(each.kind, each.path) for each in sent] == [(Kind.PATCH, "/Groups/7")]
    assert operations(sent[0]) == expected
    assert (finish.result, finish.resource) == (Result.DONE, {"displayName": "Sales", "externalId": "emea"})


def test_a_rename_to_a_name_that_is_taken_fails_as_a_conflict() -> None:
    finish, _ = done(a_rename(NAME, "Sales"), status(409), target_id="7")
    assert (finish.result, code_of(finish), finish.target_id) == (Result.FAILED, Code.CONFLICT, "7")


def test_a_name_that_was_written_meanwhile_is_put_back() -> None:
    """I4: generation 2 wrote another name, generation 3 was worked out before that was known."""
    written = fingerprints({"displayName": "Other", "externalId": "emea"})
    _, sent = done(a_rename(NAME, NAME, 3, modified=()), OK, target_id="7", written=written)
    assert operations(sent[0]) == [{"op": "replace", "path": "displayName", "value": NAME}]


def test_a_cleared_attribute_becomes_a_remove_and_one_that_is_not_there_is_read_first() -> None:
    modified = ({"path": "externalId", "old": "emea", "new": None},)
    command = a_rename(NAME, NAME, modified=modified, resource={"displayName": NAME})
    _, sent = done(command, OK, target_id="7")
    assert operations(sent[0]) == [{"op": "remove", "path": "externalId"}]
    refused = status(400, schemas=["urn:ietf:params:scim:api:messages:2.0:Error"], status="400", scimType="noTarget")
    finish, sent = done(command, refused, status(200, id="7", displayName=NAME), target_id="7")
    assert (kinds(sent), finish.result) == ([Kind.PATCH, Kind.READ], Result.DONE)
    assert sent[1].path == "/Groups/7?excludedAttributes=members"


@pytest.mark.parametrize("command", [a_rename(NAME, "Sales"), a_rename(NAME, NAME, modified=())], ids=["patch", "read"])
def test_a_group_that_is_gone_fails_without_a_link_so_that_it_is_created_anew_with_its_members(
    command: Command,
) -> None:
    finish, sent = done(command, status(404), EMPTY, target_id="7")
    assert len(sent) == 2
    assert (finish.result, code_of(finish)) == (Result.FAILED, Code.INVALID_ANCHOR)
    assert (finish.target_id, finish.written, finish.ambiguous) == (None, {}, False)
    assert finish.steps[0].status is StepStatus.WARNING
    finish, _ = done(
        command, status(404), found(group("7", displayName=command.resource["displayName"])), target_id="7"
    )
    assert finish.result is Result.RETRY_LATER, "a target that contradicts itself is not believed"


def test_what_is_not_linked_is_neither_renamed_nor_given_members() -> None:
    for command in (a_rename(NAME, "Sales"), a_member_command(Operation.ADD_MEMBERS, ["u1"])):
        finish, sent = done(command)
        assert (sent, code_of(finish)) == ([], Code.INVALID_ANCHOR)


def test_a_group_is_deleted_and_one_that_is_gone_is_done() -> None:
    command = a_group_command(generation=2, operation=Operation.DELETE)
    for answer in (OK, status(404)):
        finish, sent = done(command, answer, target_id="7", written={"displayName": "x"})
        assert [(each.method, each.path) for each in sent] == [("DELETE", "/Groups/7")]
        assert (finish.result, finish.target_id, finish.written) == (Result.DONE, None, {})


def test_a_group_that_only_its_name_was_found_by_is_deleted_only_when_it_is_surely_ours() -> None:
    command = a_group_command(generation=2, operation=Operation.DELETE)
    for held, ambiguous, deleted in (
        (group("7"), False, True),
        (group("7", externalId="other"), True, False),
        (group("7", externalId=None), False, False),
        (group("7", externalId=None), True, True),
    ):
        finish, sent = done(command, found(held), *([OK] if deleted else []), ambiguous=ambiguous)
        assert (finish.result, Kind.DELETE in kinds(sent)) == (Result.DONE, deleted), held


@pytest.mark.parametrize("operation", list(Operation))
def test_where_the_target_takes_no_groups_nothing_is_sent_and_the_code_says_so(operation: Operation) -> None:
    finish, sent = follow(Work(command=a_group_command(operation=operation), target_id="7"))
    assert (sent, finish.result, code_of(finish)) == ([], Result.FAILED, Code.NOT_IMPLEMENTED)


def test_a_disable_of_a_group_is_not_implemented() -> None:
    finish, sent = done(a_group_command(operation=Operation.DISABLE), target_id="7")
    assert (sent, code_of(finish)) == ([], Code.NOT_IMPLEMENTED)


@pytest.mark.parametrize("answer", [404, 405, 501])
def test_an_endpoint_that_is_not_there_fails_the_group_and_not_the_whole_job(answer: int) -> None:
    finish, _ = done(a_group_command(), status(answer))
    assert (finish.result, code_of(finish)) == (Result.FAILED, Code.NOT_IMPLEMENTED)
    assert finish.reason == f"The target answered {answer} to the search for the group."


def test_after_a_write_of_members_that_nobody_saw_the_end_of_no_attribute_is_in_doubt() -> None:
    written = fingerprints({"displayName": NAME})
    assert uncertain(a_member_command(Operation.ADD_MEMBERS, ["u1"]), written) == written
    assert set(uncertain(a_rename(NAME, "Sales"), written).values()) == {"?"}
