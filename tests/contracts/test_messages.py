"""Every message: what is written can be read, readers ignore what they do not know, documents are what the code says."""

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from shared.contracts.cloudevents import Envelope, NotACloudEventError, envelope_of, headers_of
from shared.contracts.documents import asyncapi, documents, schema_of
from shared.contracts.ids import derived_id
from shared.contracts.message import Message
from shared.contracts.topics import MESSAGES, SERVICES, TOPICS, consumed_by
from tests.support.messages import a_definition

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def example(message: type[Message]) -> Message:
    """A message with every required field filled by its type."""
    return message(**{name: _value(name, field) for name, field in message.model_fields.items() if field.is_required()})


def _value(name: str, field: FieldInfo) -> Any:
    if name == "definition":
        return a_definition()
    if name == "rows":
        return ()
    if name == "license":
        return {"decision": "reserved", "reason": "one was free"}
    kind: Any = field.annotation
    if isinstance(kind, type) and hasattr(kind, "__members__"):
        return next(iter(kind))
    return {int: 1, str: "text", bool: True, datetime: NOON}.get(kind, {})


@pytest.mark.parametrize("message", MESSAGES.values(), ids=list(MESSAGES))
class TestEveryMessage:
    def test_what_is_written_is_read_back_equal(self, message: type[Message]) -> None:
        written = example(message)
        assert message.model_validate_json(written.body()) == written

    def test_the_wire_is_camel_case(self, message: type[Message]) -> None:
        assert all("_" not in name for name in json.loads(example(message).body()))

    def test_a_field_of_a_newer_writer_is_ignored(self, message: type[Message]) -> None:
        body = json.loads(example(message).body()) | {"addedLater": {"deep": 1}}
        assert message.model_validate(body) == example(message)

    def test_a_missing_field_is_named(self, message: type[Message]) -> None:
        with pytest.raises(ValidationError, match="jobId"):
            message.model_validate_json(b"{}")

    def test_the_body_fits_the_schema(self, message: type[Message]) -> None:
        jsonschema.validate(json.loads(example(message).body()), schema_of(message))

    def test_it_carries_an_object_type_and_the_key_of_its_object(self, message: type[Message]) -> None:
        written = example(message)
        assert "objectType" in json.loads(written.body())
        assert written.key == f"{written.job_id}/{written.object_id}"


@given(
    sequence=st.integers(0, 10**18),
    correlation=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1),
    trace=st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
)
def test_an_envelope_survives_its_headers(sequence: int, correlation: str, trace: str | None) -> None:
    envelope = Envelope(
        id=derived_id("x", sequence),
        source="/seatkeeper/diff",
        type="seatkeeper.test.v1",
        subject="job/object",
        time=NOON,
        sequence=sequence,
        correlation_id=correlation,
        traceparent=trace,
    )
    assert envelope_of({name: value.encode() for name, value in headers_of(envelope).items()}) == envelope


@given(
    st.dictionaries(
        st.sampled_from(["ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "ce_sequence"]), st.binary()
    )
)
def test_headers_of_any_bytes_give_an_envelope_or_a_reason(headers: dict[str, bytes]) -> None:
    try:
        envelope_of(headers)
    except NotACloudEventError as reason:
        assert "ce_" in str(reason)


def test_sequences_sort_as_text() -> None:
    def header(sequence: int) -> str:
        envelope = Envelope(
            id=derived_id("x"), source="s", type="t", subject="s", time=NOON, sequence=sequence, correlation_id="c"
        )
        return headers_of(envelope)["ce_sequence"]

    assert header(9) < header(10) < header(100)


@given(st.lists(st.text() | st.integers(), min_size=1), st.lists(st.text() | st.integers(), min_size=1))
def test_the_same_cause_has_the_same_id_and_another_has_another(one: list[str | int], other: list[str | int]) -> None:
    assert derived_id(*one) == derived_id(*one)
    if [str(part) for part in one] != [str(part) for part in other] and "\x1f" not in "".join(map(str, one + other)):
        assert derived_id(*one) != derived_id(*other)


def test_every_topic_has_producers_and_every_service_a_name_in_the_registry() -> None:
    for topic in TOPICS.values():
        assert set(topic.producers) <= set(SERVICES)
        assert topic.public or topic.consumers or topic.name == "control.requests.v1"
    assert all(consumed_by(service) for service in SERVICES)


def test_public_topics_carry_no_field_for_personal_data() -> None:
    personal = ("name", "mail", "attributes_values", "resource", "definition", "secrets", "modified")
    for topic in TOPICS.values():
        if topic.public:
            for message in topic.messages:
                assert not [field for field in message.model_fields if field in personal or field.endswith("name")]


def test_the_asyncapi_document_says_who_sends_and_who_receives() -> None:
    operations = asyncapi()["operations"]
    assert operations["diff send provisioning.changes.v1"]["action"] == "send"
    assert operations["scim-writer receive provisioning.commands.v1"]["action"] == "receive"
    assert "scim-writer send provisioning.commands.v1" not in operations


def test_references_of_the_asyncapi_document_lead_somewhere() -> None:
    made = documents()
    document = json.loads(made["asyncapi.json"])
    for channel in document["channels"].values():
        for reference in channel["messages"].values():
            name = reference["$ref"].removeprefix("#/components/messages/")
            assert document["components"]["messages"][name]["payload"]["$ref"] in made
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]
