"""Comparisons, and links that an operator pointed elsewhere: what is asked of the target, and what is never written."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scim_writer.answers import Reply
from services.scim_writer.requests import Kind
from services.scim_writer.resources import nested
from services.scim_writer.trail import Work, uncertain
from shared.contracts.changes import ModifiedAttribute, Operation
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import Result
from tests.support.builders_scim_writer import a_command, a_disable
from tests.unit.scim_writer.test_writer_core import JOB, OK, account, follow, kinds, status

CONFIRMED = {"externalId": "ann", "userName": "ann@contoso.example", "title": "Engineer", "active": True}


def a_comparison(**more: object) -> Work:
    command = a_command(JOB, "ann", 2, operation=Operation.COMPARE, resource=CONFIRMED, target_id="7", **more)
    return Work(command=command)


def read(target_id: str = "7", **values: object) -> Reply:
    return Reply(status=200, body=orjson.dumps(account(target_id, **values)))


def test_equal_values_are_one_reading_by_id() -> None:
    finish, sent = follow(a_comparison(), read(title="Engineer"))
    assert [(request.kind, request.path) for request in sent] == [(Kind.READ, "/Users/7")]
    assert (finish.result, finish.modified, finish.resource) == (Result.DONE, (), CONFIRMED)


def test_what_differs_is_told_with_what_the_target_holds() -> None:
    finish, sent = follow(a_comparison(), read(title="Director", active="False"))
    assert kinds(sent) == [Kind.READ]
    assert finish.modified == (
        ModifiedAttribute(path="title", old="Director", new="Engineer"),
        ModifiedAttribute(path="active", old="False", new=True),
    )
    assert finish.resource == CONFIRMED | {"title": "Director", "active": "False"}


def test_a_boolean_sent_as_text_is_no_difference() -> None:
    finish, _ = follow(a_comparison(), read(title="Engineer", active="True"))
    assert (finish.modified, finish.resource) == ((), CONFIRMED)


@pytest.mark.parametrize(
    ("answer", "result", "code"),
    [
        (status(404), Result.FAILED, Code.INVALID_ANCHOR),
        (status(500), Result.RETRY_LATER, Code.INTERNAL_SERVER_ERROR),
        (status(403), Result.RETRY_LATER, Code.INSUFFICIENT_RIGHTS),
    ],
    ids=["gone", "broken", "refused"],
)
def test_no_answer_makes_it_search_or_write(answer: Reply, result: Result, code: Code) -> None:
    finish, sent = follow(a_comparison(), answer)
    assert kinds(sent) == [Kind.READ]
    assert finish.failure is not None
    assert (finish.result, finish.failure.code) == (result, code)


def test_a_comparison_whose_end_nobody_saw_leaves_no_doubt() -> None:
    written = {"title": "mark"}
    assert uncertain(a_comparison().command, written) == written


@given(
    st.dictionaries(st.sampled_from(["title", "userName", "displayName"]), st.text(min_size=1), min_size=1),
    st.dictionaries(st.sampled_from(["title", "userName", "displayName"]), st.text(min_size=1)),
)
def test_it_tells_exactly_what_differs_and_the_resource_is_what_the_target_holds(
    confirmed: dict[str, str], held: dict[str, str]
) -> None:
    command = a_command(JOB, "ann", 2, operation=Operation.COMPARE, resource=confirmed, target_id="7")
    finish, _ = follow(Work(command=command), Reply(status=200, body=orjson.dumps(nested(held) | {"id": "7"})))
    assert {item.path for item in finish.modified} == {
        path for path, value in confirmed.items() if held.get(path) != value
    }
    assert finish.resource == {path: held.get(path) for path in confirmed}


def test_a_link_pointed_elsewhere_is_read_first_and_only_what_differs_is_written() -> None:
    modified = tuple(ModifiedAttribute(path=path, new=value) for path, value in CONFIRMED.items())
    command = a_command(
        JOB, "ann", 3, operation=Operation.UPDATE, resource=CONFIRMED, modified=modified, target_id="9", relinked=True
    )
    finish, sent = follow(Work(command=command, target_id="7"), read("9", title="Director"), OK)
    assert [(request.kind, request.path) for request in sent] == [(Kind.READ, "/Users/9"), (Kind.PATCH, "/Users/9")]
    assert orjson.loads(sent[1].body or b"")["Operations"] == [{"op": "replace", "path": "title", "value": "Engineer"}]
    assert (finish.result, finish.target_id) == (Result.DONE, "9")


def test_a_link_pointed_at_nothing_fails_and_writes_nothing() -> None:
    command = a_command(JOB, "ann", 3, operation=Operation.UPDATE, resource=CONFIRMED, target_id="9", relinked=True)
    finish, sent = follow(Work(command=command, target_id="7"), status(404))
    assert kinds(sent) == [Kind.READ]
    assert finish.failure is not None
    assert finish.failure.code == Code.INVALID_ANCHOR


def test_a_disable_goes_to_the_account_that_the_link_was_pointed_at() -> None:
    command = a_disable(JOB, "ann", 3, target_id="9", relinked=True)
    _, sent = follow(Work(command=command, target_id="7"), OK)
    assert [request.path for request in sent] == ["/Users/9"]
