"""The plan of one command: against scripted answers, and against a model target with faults."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scim_writer.answers import Reply
from services.scim_writer.outcomes import outcome_of
from services.scim_writer.requests import Kind
from services.scim_writer.resources import differences, fingerprints
from services.scim_writer.trail import Finish, Profile, Work, uncertain
from shared.contracts.changes import Command, Operation
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import Result, StepStatus
from tests.support.builders_scim_writer import WORK_EMAIL, a_command, a_disable, a_resource, an_update
from tests.support.builders_scim_writer_target import Fault, ModelTarget
from tests.support.messages import NOON
from tests.support.plans_scim_writer import EMPTY, LOST, OK, follow, found, kinds, status

JOB = "job"


def account(target_id: str, **values: Any) -> dict[str, Any]:
    return {"id": target_id, "externalId": "ann", "userName": "ann@contoso.example", "active": True, **values}


def test_a_create_looks_first_and_posts_once() -> None:
    finish, sent = follow(Work(command=a_command(JOB, "ann")), EMPTY, status(201, id="7"))
    assert kinds(sent) == [Kind.LOOK, Kind.CREATE]
    assert sent[0].path == "/Users?filter=externalId%20eq%20%22ann%22"
    assert (finish.result, finish.target_id, finish.ambiguous) == (Result.DONE, "7", False)
    assert finish.resource == a_resource("ann")


def test_an_existing_account_is_adopted_by_writing_only_what_differs() -> None:
    command = a_command(JOB, "ann", resource={"externalId": "ann", "title": "Director", "active": True})
    finish, sent = follow(Work(command=command), found(account("7", title="Engineer")), OK)
    assert kinds(sent) == [Kind.LOOK, Kind.PATCH]
    assert orjson.loads(sent[1].body or b"")["Operations"] == [{"op": "replace", "path": "title", "value": "Director"}]
    assert finish.result is Result.ADOPTED
    assert [(item.path, item.old, item.new) for item in finish.modified] == [("title", "Engineer", "Director")]


def test_an_account_that_is_as_wanted_is_adopted_without_a_write() -> None:
    command = a_command(JOB, "ann", resource={"externalId": "ann", "active": True})
    finish, sent = follow(Work(command=command), found(account("7")))
    assert kinds(sent) == [Kind.LOOK]
    assert (finish.result, finish.target_id, finish.modified) == (Result.ADOPTED, "7", ())


def test_an_account_that_exists_keeps_what_flows_only_at_creation_and_is_told_with_it() -> None:
    wanted = {"externalId": "ann", "title": "Director", "nickName": "Annie", "displayName": "Ann", "active": True}
    command = a_command(
        JOB, "ann", resource=wanted, only_on_create=("title", "userType"), only_if_absent=("nickName", "displayName")
    )
    finish, sent = follow(Work(command=command), found(account("7", title="Engineer", displayName="A.")), OK)
    assert orjson.loads(sent[1].body or b"")["Operations"] == [{"op": "replace", "path": "nickName", "value": "Annie"}]
    held = {**wanted, "title": "Engineer", "displayName": "A."}
    assert finish.resource == held
    update = an_update(JOB, "ann", 2, old={**held, "active": False}, active=True)
    work = Work(command=update, target_id="7", written=finish.written)
    assert follow(work, OK)[0].modified == update.modified, "what was kept is not written over by the next change"


def test_with_the_create_action_off_an_account_is_looked_for_and_none_is_made() -> None:
    values: dict[str, Any] = {"operation": Operation.UPDATE, "may_create": False, "resource": {"externalId": "ann"}}
    finish, sent = follow(Work(command=a_command(JOB, "ann", **values)), EMPTY)
    assert kinds(sent) == [Kind.LOOK]
    assert (finish.result, finish.target_id, finish.resource) == (Result.DONE, None, None)
    finish, _ = follow(Work(command=a_command(JOB, "ann", **values)), found(account("7")))
    assert (finish.result, finish.target_id) == (Result.ADOPTED, "7")
    gone, sent = follow(
        Work(command=a_command(JOB, "ann", **values), target_id="7", ambiguous=True), status(404), EMPTY
    )
    assert Kind.CREATE not in kinds(sent)
    assert gone.failure is not None
    assert (gone.result, gone.failure.code) == (Result.FAILED, Code.INVALID_ANCHOR)


def test_redacted_values_are_written_and_shown_to_nobody() -> None:
    command = a_command(JOB, "ann", resource={"externalId": "ann", "title": "Director"}, redacted=("title",))
    finish, sent = follow(Work(command=command), found(account("7", title="Engineer")), OK)
    assert b"Director" in (sent[1].body or b"")
    told = outcome_of(command, finish, duration_ms=1, at=NOON)
    assert [(item.path, item.old, item.new) for item in told.modified] == [("title", "[Redact]", "[Redact]")]
    assert told.redacted == ("title",)
    assert not any("Director" in step.description for step in told.steps)


def test_two_accounts_with_one_matching_value_are_left_alone() -> None:
    finish, sent = follow(Work(command=a_command(JOB, "ann")), found(account("7"), account("8")))
    assert kinds(sent) == [Kind.LOOK]
    assert finish.failure is not None
    assert (finish.result, finish.failure.code) == (Result.FAILED, Code.DUPLICATE_TARGET_ENTRIES)


def test_somebody_elses_account_is_never_adopted_from_a_search_that_passed_over_the_filter() -> None:
    finish, sent = follow(
        Work(command=a_command(JOB, "ann")), found(account("7", externalId="bob")), status(201, id="8")
    )
    assert kinds(sent) == [Kind.LOOK, Kind.CREATE]
    assert finish.target_id == "8"


def test_a_conflict_is_looked_into_and_adopted_or_failed() -> None:
    command = a_command(JOB, "ann", resource={"externalId": "ann", "active": True})
    finish, sent = follow(Work(command=command), EMPTY, status(409), found(account("7")))
    assert kinds(sent) == [Kind.LOOK, Kind.CREATE, Kind.LOOK]
    assert (finish.result, finish.target_id) == (Result.ADOPTED, "7")
    finish, _ = follow(Work(command=command), EMPTY, status(409), EMPTY)
    assert finish.failure is not None
    assert (finish.result, finish.failure.code) == (Result.FAILED, Code.CONFLICT)


def test_a_create_without_a_clear_answer_is_not_repeated_but_looked_for() -> None:
    """I5"""
    for reply in (LOST, status(500), status(503), status(504), Reply(status=201, body=b"<html>")):
        finish, sent = follow(Work(command=a_command(JOB, "ann")), EMPTY, reply)
        assert kinds(sent) == [Kind.LOOK, Kind.CREATE]
        assert (finish.result, finish.ambiguous) == (Result.RETRY_LATER, True)
    command = a_command(JOB, "ann", resource={"externalId": "ann", "active": True})
    finish, sent = follow(Work(command=command, ambiguous=True), found(account("7")))
    assert kinds(sent) == [Kind.LOOK]
    assert (finish.result, finish.target_id) == (Result.DONE, "7"), "the account is ours: it was not adopted"


def test_an_account_that_the_search_does_not_show_yet_is_waited_for() -> None:
    """I5"""
    work = Work(command=a_command(JOB, "ann"), ambiguous=True)
    finish, _ = follow(work, EMPTY, status(409), EMPTY)
    assert (finish.result, finish.ambiguous) == (Result.RETRY_LATER, True)


def test_an_update_sends_what_is_modified_and_nothing_else() -> None:
    command = an_update(JOB, "ann", 2, old={"title": "Engineer"}, title="Director")
    work = Work(command=command, target_id="7", written=fingerprints(a_resource("ann", title="Director")))
    finish, sent = follow(work, OK)
    assert kinds(sent) == [Kind.PATCH]
    assert sent[0].path == "/Users/7"
    assert [item["path"] for item in orjson.loads(sent[0].body or b"")["Operations"]] == ["title"]
    assert finish.result is Result.DONE
    assert finish.resource == command.resource


def test_an_attribute_that_was_written_meanwhile_is_put_back() -> None:
    """I4: generation 2 wrote Director, generation 3 wants Engineer and was worked out before that was known."""
    command = a_command(JOB, "ann", 3, operation=Operation.UPDATE, modified=())
    work = Work(command=command, target_id="7", written=fingerprints(a_resource("ann", title="Director")))
    _, sent = follow(work, OK)
    assert [item["path"] for item in orjson.loads(sent[0].body or b"")["Operations"]] == ["title"]
    cleared = a_command(JOB, "ann", 3, operation=Operation.UPDATE, modified=(), values={"title": None})
    _, sent = follow(Work(command=cleared, target_id="7", written=work.written), OK)
    assert orjson.loads(sent[0].body or b"")["Operations"] == [{"op": "remove", "path": "title"}]


def test_after_a_write_without_a_clear_answer_everything_is_written() -> None:
    """I4"""
    command = a_command(JOB, "ann", 3, operation=Operation.UPDATE, modified=())
    _, sent = follow(Work(command=command, target_id="7", ambiguous=True), OK)
    assert {item["path"] for item in orjson.loads(sent[0].body or b"")["Operations"]} == set(command.resource)


def test_a_404_is_confirmed_before_the_account_is_linked_anew_or_created_anew() -> None:
    command = an_update(JOB, "ann", 2, old={}, title="Director")
    work = Work(command=command, target_id="7")
    finish, sent = follow(work, status(404), EMPTY, status(201, id="9"))
    assert kinds(sent) == [Kind.PATCH, Kind.LOOK, Kind.CREATE]
    assert (finish.result, finish.target_id) == (Result.DONE, "9")
    warning = finish.steps[0]
    assert warning.status is StepStatus.WARNING
    assert Code.INVALID_ANCHOR in warning.description

    finish, sent = follow(work, status(404), found(account("8")), OK)
    assert kinds(sent) == [Kind.PATCH, Kind.LOOK, Kind.PATCH]
    assert (finish.result, finish.target_id, sent[2].path) == (Result.DONE, "8", "/Users/8")

    finish, sent = follow(work, status(404), found(account("7")))
    assert kinds(sent) == [Kind.PATCH, Kind.LOOK], "a target that contradicts itself is not written to"
    assert finish.result is Result.RETRY_LATER

    gone = a_command(JOB, "ann", 2, operation=Operation.UPDATE, values={"active": False})
    finish, sent = follow(Work(command=gone, target_id="7"), status(404), EMPTY)
    assert kinds(sent) == [Kind.PATCH, Kind.LOOK], "an account that is to be inactive is not created for that"
    assert finish.result is Result.DONE


def test_an_element_that_is_not_there_is_read_and_then_added() -> None:
    command = an_update(JOB, "ann", 2, old={}, **{WORK_EMAIL: "new@contoso.example"})
    no_target = status(400, schemas=["urn:ietf:params:scim:api:messages:2.0:Error"], status="400", scimType="noTarget")
    whole = {**account("7"), "emails": []}
    finish, sent = follow(
        Work(command=command, target_id="7"), no_target, Reply(status=200, body=orjson.dumps(whole)), OK
    )
    assert kinds(sent) == [Kind.PATCH, Kind.READ, Kind.PATCH]
    added = next(item for item in orjson.loads(sent[2].body or b"")["Operations"] if item["path"] == "emails")
    assert added == {"op": "add", "path": "emails", "value": [{"type": "work", "value": "new@contoso.example"}]}
    assert finish.result is Result.DONE


def test_a_disable_writes_active_and_nothing_else_and_says_what_is_still_there() -> None:
    command = a_disable(
        JOB,
        "ann",
        2,
        values={"active": False, "title": "Director"},
        modified=(
            {"path": "active", "old": True, "new": False},
            {"path": "title", "old": "Engineer", "new": "Director"},
        ),
    )
    finish, sent = follow(Work(command=command, target_id="7"), OK)
    operations = orjson.loads(sent[0].body or b"")["Operations"]
    assert operations == [{"op": "replace", "path": "active", "value": False}]
    assert finish.resource == a_resource("ann", active=False, title="Engineer")


def test_a_disable_without_a_link_looks_and_what_is_absent_needs_nothing() -> None:
    finish, sent = follow(Work(command=a_disable(JOB, "ann", 2)), EMPTY)
    assert kinds(sent) == [Kind.LOOK]
    assert (finish.result, finish.target_id) == (Result.DONE, None)
    finish, sent = follow(Work(command=a_disable(JOB, "ann", 2)), found(account("7")), OK)
    assert (kinds(sent), finish.target_id) == ([Kind.LOOK, Kind.PATCH], "7")
    finish, sent = follow(Work(command=a_disable(JOB, "ann", 2)), found(account("7", active=False)))
    assert (kinds(sent), finish.result) == ([Kind.LOOK], Result.DONE)
    finish, sent = follow(Work(command=a_disable(JOB, "ann", 2), target_id="7"), status(404), found(account("8")), OK)
    assert (kinds(sent), finish.target_id) == ([Kind.PATCH, Kind.LOOK, Kind.PATCH], "8")


def test_a_delete_is_a_disable_where_the_target_cannot_delete() -> None:
    command = a_disable(JOB, "ann", 2, operation=Operation.DELETE)
    _, sent = follow(Work(command=command, target_id="7"), OK)
    assert kinds(sent) == [Kind.PATCH]
    finish, sent = follow(Work(command=command, target_id="7"), OK, profile=Profile(can_delete=True))
    assert (kinds(sent), finish.target_id) == ([Kind.DELETE], None)
    finish, sent = follow(Work(command=command, target_id="7"), status(404), EMPTY, profile=Profile(can_delete=True))
    assert finish.result is Result.DONE


def test_an_update_that_changes_nothing_reads_what_is_there() -> None:
    command = a_command(
        JOB, "ann", 2, operation=Operation.UPDATE, modified=(), resource={"externalId": "ann", "active": True}
    )
    finish, sent = follow(Work(command=command, target_id="7"), Reply(status=200, body=orjson.dumps(account("7"))))
    assert (kinds(sent), finish.result) == ([Kind.READ], Result.DONE)
    finish, sent = follow(Work(command=command, target_id="7"), status(404), EMPTY, status(201, id="9"))
    assert (kinds(sent), finish.target_id) == ([Kind.READ, Kind.LOOK, Kind.CREATE], "9")


def test_without_a_matching_value_nothing_is_sent() -> None:
    command = a_command(JOB, "ann", matching=(), resource={"userName": "ann"})
    finish, sent = follow(Work(command=command))
    assert sent == []
    assert finish.failure is not None
    assert finish.failure.code == Code.MISSING_VALUES


VALUES = st.fixed_dictionaries(
    {
        "title": st.sampled_from([None, "Engineer", "Director"]),
        WORK_EMAIL: st.sampled_from([None, "a@contoso.example", "b@contoso.example"]),
        "active": st.booleans(),
    }
)
FAULTS = st.lists(st.sampled_from(Fault), max_size=5)
ROUND = st.tuples(VALUES, st.lists(FAULTS, min_size=1, max_size=3), st.booleans(), st.booleans())


@settings(max_examples=300, deadline=None)
@given(st.lists(ROUND, min_size=1, max_size=5), st.booleans(), st.data())
def test_whatever_the_target_does_there_is_one_account_with_the_newest_values(
    rounds: list[Any], foreign: bool, data: st.DataObject
) -> None:
    """I4 and I5. A round is a new desired state, attempts with faults, whether diff hears the outcome, whether the account vanishes."""
    target = ModelTarget()
    if foreign:
        target.place({"externalId": "ann", "userName": "old@contoso.example", "active": True})
    confirmed: dict[str, Any] = {}
    link: str | None = None
    work = Work(command=a_command(JOB, "ann"))
    for number, (values, attempts, heard, vanishes) in enumerate(rounds, start=1):
        if vanishes:
            target.erase()
        command = _decided(number, a_resource("ann", **values), confirmed, link, target_id=link)
        work = Work(command=command, ambiguous=work.ambiguous, target_id=work.target_id, written=work.written)
        finish: Finish | None = None
        plans = [*attempts, *([[]] * 8 if number == len(rounds) else [])]
        for faults in plans:
            finish = target.carry_out(work, faults)
            if finish is None:  # the process died: whoever takes the row over knows that something may have happened
                written = uncertain(command, work.written)
                work = Work(command=command, ambiguous=True, target_id=work.target_id, written=written)
                continue
            work = Work(command=command, ambiguous=finish.ambiguous, target_id=finish.target_id, written=finish.written)
            if finish.result not in (Result.RETRY_LATER, Result.STOP):
                break
        if finish is not None and finish.result in (Result.DONE, Result.ADOPTED) and heard:
            confirmed, link = dict(finish.resource or {}), finish.target_id
    assert finish is not None
    if finish.result is Result.FAILED:
        return  # refused for good by a fault of this very run; diff plans the next attempt
    assert finish.result in (Result.DONE, Result.ADOPTED)
    wanted = command.resource
    assert len(target.accounts) <= 1
    if wanted["active"] is False:
        assert all(held["active"] is False for held in target.accounts.values())
        return
    (held,) = target.accounts.values()
    assert differences({"title": None, WORK_EMAIL: None, **wanted}, held) == {}


def _decided(
    generation: int, wanted: dict[str, Any], confirmed: dict[str, Any], link: str | None, *, target_id: str | None
) -> Command:
    """The command as diff words it, from what it has heard of so far."""
    operation = Operation.CREATE if link is None else Operation.UPDATE
    modified = tuple(
        {"path": path, "old": confirmed.get(path), "new": wanted.get(path)}
        for path in sorted({*wanted, *confirmed})
        if wanted.get(path) != confirmed.get(path)
    )
    if wanted["active"] is False:
        operation = Operation.DISABLE
    return a_command(
        JOB, "ann", generation, operation=operation, resource=wanted, modified=modified, target_id=target_id
    )
