"""What is shown: timeline sentences, log records, attention, problems; attribute values and secrets stay where they belong."""

from typing import Any
from uuid import uuid4

import orjson
import pytest

from services.console import timeline
from services.console.api.bodies import Secrets, decode_cursor, decode_position, encode_cursor
from services.console.api.errors import as_problem
from services.console.api.problems import ProblemError, field_errors, problem_body
from services.console.pages.attention import attention
from services.console.provisioning_log import action_of, body_of, record_of, status_of
from shared.contracts.changes import LicenseDecision, Operation
from shared.contracts.failure_codes import ADVICE, Code
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import LicenseState, ProvisioningOutcome, Result
from shared.contracts.public import UserStatus
from tests.support.builders_console import assignment, at, change, command, license_fact, outcome


def sentence(entry: timeline.Entry) -> tuple[str, str]:
    return timeline.describe(entry.kind, orjson.loads(orjson.dumps(entry.facts)))


def test_sentences() -> None:
    assert sentence(timeline.of_assignment(assignment("u"))) == ("assigned directly with User", "")
    assert sentence(timeline.of_assignment(assignment("u", assigned=False))) == ("no longer assigned", "")
    assert sentence(timeline.of_change(change("u", 2)))[0] == "create wanted (generation 2)"
    told = timeline.of_license(license_fact("u", LicenseState.WAITING, ticket=4))
    assert sentence(told) == ("waits for a license with ticket 4", "license waiting")
    allowed = timeline.of_command(command("u", decision=LicenseDecision.RESERVED, ticket=4), at(9))
    assert sentence(allowed) == ("create allowed (generation 1)", "reserved")
    assert allowed.at == at(9)
    what, why = sentence(timeline.of_outcome(outcome("u", result=Result.FAILED, code=Code.CONFLICT)))
    assert what == "create failed"
    assert why == "because failed; Conflict: the target said no (HTTP 400)"


@pytest.mark.parametrize("result", list(Result))
def test_every_result_has_a_sentence_a_status_and_a_record(result: Result) -> None:
    one = outcome("u", result=result)
    assert sentence(timeline.of_outcome(one))[0]
    assert status_of(one) in ("success", "warning", "failure", "skipped")
    assert log_record(one)["provisioningStatusInfo"]["status"] == status_of(one)


def test_the_timeline_keeps_names_of_attributes_and_no_values() -> None:
    entries = [
        timeline.of_assignment(assignment("u")),
        timeline.of_change(change("u")),
        timeline.of_command(command("u"), at(1)),
        timeline.of_outcome(outcome("u")),
    ]
    text = orjson.dumps([entry.facts for entry in entries]).decode()
    assert "userName" in text
    assert "example.com" not in text


def log_record(one: ProvisioningOutcome) -> dict[str, Any]:
    row = {
        "event_id": uuid4(),
        "at": one.at,
        "job_id": one.job_id,
        "object_id": one.object_id,
        "cycle_id": one.cycle_id,
        "generation": one.generation,
        "action": action_of(one),
        "status": status_of(one),
        "duration_ms": one.duration_ms,
        "target_id": one.target_id,
        "display_name": "A Name",
    }
    return record_of(row, orjson.loads(body_of(one)))


def test_a_log_record_reads_as_the_one_of_graph() -> None:
    one = outcome("u", result=Result.FAILED, code=Code.CONFLICT)
    record = log_record(one)
    assert record["provisioningAction"] == "create"
    assert record["sourceIdentity"]["id"] == "u"
    assert record["targetIdentity"]["id"] == ""
    assert record["durationInMilliseconds"] == 12
    assert record["modifiedProperties"] == [{"displayName": "active", "oldValue": None, "newValue": "true"}]
    assert record["provisioningSteps"][0]["provisioningStepType"] == "export"
    error = record["provisioningStatusInfo"]["errorInformation"]
    assert (error["errorCode"], error["recommendedAction"]) == ("Conflict", ADVICE[Code.CONFLICT])
    assert log_record(outcome("u"))["provisioningStatusInfo"] == {"status": "success", "errorInformation": None}


def test_a_redacted_value_is_shown_to_nobody() -> None:
    created = outcome("u").model_copy(
        update={"modified": (), "resource": {"userName": "u@example.com", "title": "Buyer"}, "redacted": ("userName",)}
    )
    shown = {each["displayName"]: each["newValue"] for each in log_record(created)["modifiedProperties"]}
    assert shown == {"userName": "[Redact]", "title": "Buyer"}
    assert "u@example.com" not in body_of(created)


def test_a_group_is_shown_as_a_group() -> None:
    named = {"displayName": "Sales EMEA", "externalId": "g"}
    of_group = {"object_type": ObjectType.GROUP, "resource": named, "modified": ()}
    record = log_record(outcome("g").model_copy(update=of_group))
    assert record["sourceIdentity"] == {"id": "g", "displayName": "Sales EMEA", "identityType": "Group"}
    assert record["targetIdentity"]["identityType"] == "urn:ietf:params:scim:schemas:core:2.0:Group"
    assert [each["displayName"] for each in record["modifiedProperties"]] == ["displayName", "externalId"]
    for operation in (Operation.ADD_MEMBERS, Operation.REMOVE_MEMBERS):
        change_of_members = {"operation": operation, "resource": None}
        record = log_record(outcome("g").model_copy(update=of_group | change_of_members))
        assert (record["provisioningAction"], record["sourceIdentity"]["identityType"]) == ("update", "Group")
        assert record["sourceIdentity"]["displayName"] is None
    assert log_record(outcome("u"))["sourceIdentity"]["identityType"] == "User"


def test_a_skip_tells_every_reason() -> None:
    record = log_record(outcome("u", 0, Result.SKIPPED, reasons=("1) not assigned", "2) disabled")))
    assert record["provisioningAction"] == "other"
    assert record["provisioningStatusInfo"]["errorInformation"]["reason"] == "1) not assigned; 2) disabled"


def test_attention_says_what_and_what_to_do() -> None:
    row = {
        "status": {
            "missingSecrets": ["secretToken"],
            "conditions": [{"condition": "x", "failure": {"message": "refused", "advice": "renew"}}],
            "lastCycle": {"failure": {"message": "away", "advice": "wait"}},
        },
        "licenses": {"overcommitted": 1, "waiting": 3},
        "failures": [{"code": "Conflict", "count": 2, "advice": "clear it"}],
        "holds": [{"removals": 1, "active": 4, "description": "too many"}],
    }
    found = attention(row)
    assert [item.what for item in found][:2] == ["secretToken not set", "refused"]
    assert [item.status for item in found if item.status] == [UserStatus.FAILED, UserStatus.WAITING]
    assert all(item.advice for item in found)
    quiet = {
        "status": {"missingSecrets": [], "conditions": [], "lastCycle": None},
        "licenses": {"overcommitted": 0, "waiting": 0},
        "failures": [],
        "holds": [],
    }
    assert attention(quiet) == []


def test_a_cursor_comes_back_as_it_was_and_another_text_is_refused() -> None:
    assert decode_cursor(encode_cursor("o-1")) == "o-1"
    assert decode_cursor(None) == ""
    assert decode_position(encode_cursor(12), "$skiptoken") == 12
    with pytest.raises(ProblemError) as refused:
        decode_position(encode_cursor("x"), "$skiptoken")
    assert refused.value.errors[0].field == "$skiptoken"
    for text in ("AA", "é", "====", "!"):
        with pytest.raises(ProblemError):
            decode_cursor(text)


def test_a_key_that_could_be_a_secret_is_not_shown() -> None:
    errors = field_errors([{"loc": ("body", "target", "canary secret"), "type": "extra_forbidden", "msg": ""}])
    assert errors[0].field == "a key that cannot be shown"


def test_secrets_do_not_show_in_their_representation() -> None:
    secrets = Secrets.model_validate({"secretToken": " not-a-real-token\n"})
    assert "not-a-real" not in repr(secrets)
    assert secrets.secret_token is not None
    assert secrets.secret_token.get_secret_value() == "not-a-real-token"


def test_what_passes_by_itself_is_said_to_pass_and_the_unforeseen_shows_nothing() -> None:
    away = as_problem(ConnectionRefusedError("canary"))
    assert (away.status, away.headers["Retry-After"]) == (503, "5")
    broken = as_problem(RuntimeError("canary"))
    assert broken.status == 500
    assert "canary" not in str(problem_body(away)) + str(problem_body(broken))
