"""What is shown of a source and of holds: ages, percentages and words are right, and the shape is the one of the OpenAPI document."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.api import shapes
from services.console.api.bodies import encode_cursor
from services.console.api.problems import ProblemError
from services.console.api.source import _position, _text
from services.console.holds import Decision, refusal
from services.console.source_view import (
    HELD_BECAUSE,
    NOT_READ,
    age,
    ignored_because,
    lasted,
    percent,
    show_hold,
    show_source,
)
from shared.contracts.source import HoldReason, HoldState, ReadProgress, SourceState, StreamPhase, StreamState
from tests.support.builders_console import at
from tests.support.builders_source import hold_fact, progress, source_state

GRAPH = "microsoft-graph"


def as_json(shown: dict[str, Any]) -> bytes:
    return orjson.dumps(shown, option=orjson.OPT_UTC_Z)


def test_before_the_first_report_everything_is_there_and_says_so() -> None:
    shown = show_source("snapshot", None, at(0))
    assert (shown["kind"], shown["read"], shown["message"]) == ("snapshot", False, NOT_READ)
    assert (shown["streams"], shown["progress"], shown["ageSeconds"], shown["at"]) == ([], None, None, None)
    assert shapes.Source.model_validate_json(as_json(shown)).read is False


def test_a_report_about_another_kind_of_source_is_none() -> None:
    assert show_source("snapshot", source_state(), at(0))["read"] is False
    assert show_source(GRAPH, source_state(), at(0))["read"] is True


def test_ages_are_seconds_until_now() -> None:
    shown = show_source(GRAPH, source_state(30), at(100))
    assert shown["ageSeconds"] == 70
    assignments, users = shown["streams"]
    assert (assignments["linkAgeSeconds"], assignments["lastRoundAgeSeconds"]) == (None, None)
    assert (users["linkAgeSeconds"], users["lastRoundAgeSeconds"]) == (100, 40)
    assert (users["resyncStartedAt"], users["resyncReason"]) == (at(90), "the link was refused (410)")
    assert shown["requests"] == {
        "byKind": {"groups": 4, "users": 9},
        "total": 13,
        "throttled": 2,
        "waitedSeconds": 1.5,
    }


def test_what_is_left_shrinks_between_two_reports() -> None:
    state = source_state(10, progress=progress(250, 1000, 90))
    shown = show_source(GRAPH, state, at(30))["progress"]
    assert (shown["usersRead"], shown["percent"], shown["secondsLeft"], shown["runningSeconds"]) == (250, 25, 70, 30)
    assert show_source(GRAPH, state, at(900))["progress"]["secondsLeft"] == 0
    unknown = show_source(GRAPH, source_state(10, progress=progress(250)), at(30))["progress"]
    assert (unknown["expected"], unknown["percent"], unknown["secondsLeft"]) == (None, None, None)


def test_what_does_not_count_is_said_in_words_and_a_new_reason_in_its_own() -> None:
    shown = {item["reason"]: item["description"] for item in show_source(GRAPH, source_state(), at(0))["ignored"]}
    assert "service principals" in shown["servicePrincipalsAssigned"]
    assert shown["somethingNew"] == "something new"
    assert ignored_because("group_withoutMembers") == "group without members"


@given(st.integers(-5, 10**9), st.one_of(st.none(), st.integers(-5, 10**9)))
def test_per_cent_lies_between_0_and_100_and_is_100_only_when_all_is_read(done: int, expected: int | None) -> None:
    shown = percent(done, expected)
    if not expected or expected < 0:
        assert shown is None
    else:
        assert shown is not None
        assert 0 <= shown <= 100
        assert (shown == 100) is (done >= expected)


@given(st.integers(-(10**7), 10**7))
def test_an_age_is_never_negative(seconds: int) -> None:
    assert age(at(0), at(seconds)) == max(0, seconds)
    assert age(None, at(seconds)) is None


@given(st.integers(0, 10**7))
def test_a_duration_in_words_is_at_most_the_duration_and_off_by_less_than_its_unit(seconds: int) -> None:
    number, unit = lasted(seconds).split(" ")
    size = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}[unit.removesuffix("s")]
    assert int(number) * size <= seconds < (int(number) + 1) * size
    assert (number == "1") is not unit.endswith("s")


COUNTS = st.integers(0, 10**9)
TIMES = st.one_of(st.none(), st.integers(-(10**6), 10**6).map(at))


def stream_state(**values: Any) -> StreamState:
    """A stream by the names of its fields alone: hypothesis would also give the aliases."""
    return StreamState(**values)


def read_progress(**values: Any) -> ReadProgress:
    """The same for progress."""
    return ReadProgress(**values)


STATES = st.builds(
    source_state,
    COUNTS,
    streams=st.lists(
        st.builds(
            stream_state,
            stream=st.text(),
            phase=st.sampled_from(StreamPhase),
            generation=COUNTS,
            rounds=COUNTS,
            pages=COUNTS,
            records=COUNTS,
            link_issued_at=TIMES,
            last_round_at=TIMES,
            resync_started_at=TIMES,
            resync_reason=st.one_of(st.none(), st.text()),
        ),
        max_size=3,
    ).map(tuple),
    progress=st.one_of(
        st.none(),
        st.builds(
            read_progress,
            users_read=COUNTS,
            expected=st.one_of(st.none(), COUNTS),
            seconds_left=st.one_of(st.none(), COUNTS),
            started_at=COUNTS.map(lambda seconds: at(seconds % 10**6)),
        ),
    ),
    ignored=st.dictionaries(st.text(), COUNTS, max_size=3),
    reason=st.one_of(st.none(), st.text()),
    at=st.integers(-(10**6), 10**6).map(at),
)


@given(STATES, st.integers(-(10**6), 10**6).map(at))
def test_every_report_is_shown_in_the_shape_of_the_document(state: SourceState, now: Any) -> None:
    kept = SourceState.model_validate_json(state.body())
    shapes.Source.model_validate_json(as_json(show_source(GRAPH, kept, now)))


ASKED = {"decision": "approve", "requested_by": "a person", "asked_reason": "fine", "asked_at": at(5), "position": 1}


def test_what_was_asked_for_is_shown_until_the_watcher_has_answered() -> None:
    waiting = show_hold(hold_fact(), ASKED)
    assert waiting["requested"] == {"decision": "approve", "by": "a person", "reason": "fine", "at": at(5)}
    answered = show_hold(hold_fact(2, HoldState.APPROVED), ASKED)
    assert (answered["requested"], answered["decidedBy"]) == (None, "a person")
    nothing = dict.fromkeys(ASKED)
    for shown in (waiting, answered, show_hold(hold_fact(), None), show_hold(hold_fact(), nothing)):
        shapes.Hold.model_validate_json(as_json(shown))


def test_every_reason_to_hold_has_words() -> None:
    assert set(HELD_BECAUSE) == set(HoldReason)


@pytest.mark.parametrize("decision", list(Decision))
def test_only_what_is_held_can_be_decided_and_a_refusal_says_what_became_of_it(decision: Decision) -> None:
    other = {"decision": "reject" if decision is Decision.APPROVE else "approve", "requested_by": "a colleague"}
    assert refusal(hold_fact(), None, decision) is None
    assert refusal(hold_fact(), {"decision": str(decision), "requested_by": "x"}, decision) is None
    for state, text in ((HoldState.APPROVED, "approved by a person"), (HoldState.DROPPED, "turned out well")):
        assert text in (refusal(hold_fact(2, state), None, decision) or "")
    assert "a colleague" in (refusal(hold_fact(), other, decision) or "")


def test_what_was_rejected_can_be_approved_after_all_and_not_rejected_again() -> None:
    rejected = hold_fact(2, HoldState.REJECTED)
    assert "rejected by a person" in (refusal(rejected, None, Decision.REJECT) or "")
    before = {"decision": "reject", "requested_by": "x"}
    assert refusal(rejected, before, Decision.APPROVE) is None
    assert show_hold(rejected, ASKED | {"decision": "reject"})["requested"] is None
    assert show_hold(rejected, ASKED)["requested"]["decision"] == "approve"


@given(st.booleans(), st.integers(-(10**9), 10**9), st.from_regex(r"\A[A-Za-z0-9._:~-]{1,40}\Z"))
def test_a_cursor_of_holds_comes_back_as_it_was(held: bool, microseconds: int, hold_id: str) -> None:
    position = (held, at(0) + timedelta(microseconds=microseconds), hold_id)
    assert _position(encode_cursor(_text(position))) == position


@pytest.mark.parametrize(
    "text", ["x", "1", "2 2026-03-01T08:00:00+00:00 h", "1 2026-03-01T08:00:00 h", "1 x h", "1 2026-03-01T08:00:00Z "]
)
def test_another_text_is_no_cursor(text: str) -> None:
    with pytest.raises(ProblemError) as refused:
        _position(encode_cursor(text))
    assert refused.value.errors[0].field == "cursor"
