"""Our hand-written headers, read by the CloudEvents SDK; and the SDK's, read by us."""

from datetime import UTC, datetime

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent

from shared.contracts.changes import Change
from shared.contracts.cloudevents import envelope_of, headers_of
from tests.support.messages import a_change, enveloped


def test_the_sdk_reads_what_we_write() -> None:
    change = a_change("job-1", "user-1", 3)
    envelope = enveloped(change)
    headers = {name: value.encode() for name, value in headers_of(envelope).items()}
    event = from_binary_event(KafkaMessage(headers=headers, key=change.key.encode(), value=change.body()))
    assert event.get_id() == str(envelope.id)
    assert event.get_type() == Change.type
    assert event.get_source() == "/seatkeeper/test"
    assert event.get_subject() == change.key
    assert event.get_time() == envelope.time
    assert event.get_extension("sequence") == "00000000000000000003"
    assert Change.model_validate(event.get_data()) == change


def test_we_read_what_the_sdk_writes() -> None:
    attributes = {
        "id": "6f1c52a4-0c3e-5a54-9d3f-5b2f6e1f7c10",
        "source": "/another/program",
        "type": Change.type,
        "subject": "job-1/user-1",
        "time": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "datacontenttype": "application/json",
        "sequence": "00000000000000000007",
    }
    message = to_binary_event(CloudEvent(attributes=attributes, data={"jobId": "job-1"}))
    envelope = envelope_of(message.headers)
    assert (envelope.sequence, envelope.subject, envelope.source) == (7, "job-1/user-1", "/another/program")
    assert envelope.time == attributes["time"]
    assert envelope.correlation_id == attributes["id"]
