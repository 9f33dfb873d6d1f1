"""What a request to the notification endpoint means."""

import hmac
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.notifications import judging
from services.assignment_watcher.notifications.judging import Wish, digest_of, echo, judge
from services.assignment_watcher.sources.source import Stream

USERS, GROUPS = "state of the users", "state of the groups"
DIGESTS = {Stream.USERS: digest_of(USERS), Stream.GROUPS: digest_of(GROUPS)}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def body(*items: Any) -> bytes:
    return orjson.dumps({"value": list(items)})


def changed(state: Any = USERS, **more: Any) -> dict[str, Any]:
    return {"clientState": state, "changeType": "updated", "resource": "Users/1", **more}


def lifecycle(event: Any, state: str = USERS) -> dict[str, Any]:
    return {"clientState": state, "lifecycleEvent": event}


def test_a_change_with_its_client_state_is_a_hint() -> None:
    judged = judge(body(changed()), DIGESTS)
    assert judged is not None
    assert (judged.hint, judged.genuine, judged.foreign, judged.wishes) == (True, 1, 0, {})


@pytest.mark.parametrize("state", ["", "another", USERS + " ", USERS.upper(), None, 7, ["x"], "x" * 129])
def test_a_wrong_client_state_says_nothing(state: Any) -> None:
    judged = judge(body(changed(state)), DIGESTS)
    assert judged is not None
    assert (judged.hint, judged.genuine, judged.foreign, judged.wishes) == (False, 0, 1, {})


def test_without_subscriptions_nothing_is_believed() -> None:
    judged = judge(body(changed(), lifecycle("missed")), {})
    assert judged is not None
    assert (judged.hint, judged.foreign) == (False, 2)


def test_one_body_may_hold_what_is_ours_and_what_is_not() -> None:
    judged = judge(body(changed("another"), changed(GROUPS), 3, None, "text"), DIGESTS)
    assert judged is not None
    assert (judged.hint, judged.genuine, judged.foreign) == (True, 1, 4)


def test_a_reauthorization_is_a_wish_and_no_hint() -> None:
    judged = judge(body(lifecycle("reauthorizationRequired")), DIGESTS)
    assert judged is not None
    assert (judged.hint, judged.wishes) == (False, {Stream.USERS: Wish.REAUTHORIZE})


def test_what_was_missed_is_polled_for() -> None:
    judged = judge(body(lifecycle("missed")), DIGESTS)
    assert judged is not None
    assert (judged.hint, judged.wishes) == (True, {})


@pytest.mark.parametrize(
    "events", [("subscriptionRemoved", "reauthorizationRequired"), ("reauthorizationRequired", "subscriptionRemoved")]
)
def test_a_removed_subscription_is_polled_for_and_made_anew_whatever_else_comes(events: tuple[str, str]) -> None:
    judged = judge(body(*(lifecycle(event, GROUPS) for event in events)), DIGESTS)
    assert judged is not None
    assert (judged.hint, judged.wishes) == (True, {Stream.GROUPS: Wish.RECREATE})


@pytest.mark.parametrize("event", ["somethingNew", "", None, 5, {"a": 1}])
def test_an_unknown_lifecycle_event_is_ignored(event: Any) -> None:
    judged = judge(body(lifecycle(event)), DIGESTS)
    assert judged is not None
    assert (judged.hint, judged.wishes, judged.ignored) == (False, {}, 1)


def test_a_lifecycle_event_with_a_wrong_client_state_says_nothing() -> None:
    judged = judge(body(lifecycle("subscriptionRemoved", "another")), DIGESTS)
    assert judged is not None
    assert (judged.hint, judged.wishes, judged.foreign) == (False, {}, 1)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"value": 3}', b'{"values": []}', b"\xff\xfe", b'"text"'])
def test_what_is_no_notification_is_malformed(raw: bytes) -> None:
    assert judge(raw, DIGESTS) is None


def test_every_digest_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def comparing(left: bytes, right: bytes) -> bool:
        compared.append(right)
        return compare(left, right)

    monkeypatch.setattr(judging.hmac, "compare_digest", comparing)
    judge(body(changed()), DIGESTS)
    assert set(compared) == set(DIGESTS.values())


@given(json_values, st.booleans())
def test_nothing_but_the_client_state_makes_anything_happen(value: Any, wrapped: bool) -> None:
    judged = judge(orjson.dumps({"value": [value]} if wrapped else value), DIGESTS)
    assert judged is None or not (judged.hint or judged.wishes or judged.genuine)


@given(st.binary(max_size=60))
def test_no_body_raises(raw: bytes) -> None:
    judge(raw, DIGESTS)


def test_the_handshake_gives_the_decoded_token_back() -> None:
    token = "Validation: Testing client application reachability for subscription Request-Id: 3f6d"
    assert echo(token) == token


@pytest.mark.parametrize("token", [None, "", "x" * 2001, "two\nlines", "a\0b", "tab\t"])
def test_what_is_no_token_is_refused(token: str | None) -> None:
    assert echo(token) is None


@given(st.text(min_size=1, max_size=200))
def test_no_answer_to_a_handshake_holds_markup(token: str) -> None:
    answer = echo(token)
    assert answer is None or not set("<>\"'") & set(answer)


def test_markup_in_a_token_is_escaped() -> None:
    assert echo("<script>alert(1)</script>") == "&lt;script&gt;alert(1)&lt;/script&gt;"
