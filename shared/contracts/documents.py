"""The documents generated from the messages: a JSON Schema for each, an AsyncAPI 3 document, and a page for people.

``python -m shared.contracts.documents FOLDER`` writes them, ``--check`` only compares.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import orjson

from shared.contracts.message import Message
from shared.contracts.topics import MESSAGES, SERVICES, TOPICS, Topic

JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
HEADERS = {
    "ce_specversion": "always 1.0",
    "ce_id": "the same for every repeat of the event",
    "ce_source": "/seatkeeper/SERVICE",
    "ce_type": "type and version of the message",
    "ce_subject": "job id and object id",
    "ce_time": "RFC 3339",
    "ce_sequence": "rises for each key and source; 20 digits, so that it sorts as text",
    "content-type": "application/json",
    "correlation_id": "the same along the whole way of a change",
    "traceparent": "W3C trace context, when a trace is running",
}


def documents() -> dict[str, str]:
    """Return every generated document by its file name below ``docs/events``."""
    made = {f"schemas/{name}.json": _json(schema_of(message)) for name, message in MESSAGES.items()}
    made["asyncapi.json"] = _json(asyncapi())
    made["README.md"] = page()
    return made


def schema_of(message: type[Message]) -> dict[str, Any]:
    """Return the JSON Schema of the body of a message, as readers get it."""
    schema = message.model_json_schema(mode="serialization", by_alias=True)
    return {"$schema": JSON_SCHEMA, "$id": f"urn:seatkeeper:schema:{message.type}", **schema}


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of all topics. An operation is named after its service: who sends what, who receives what."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Seatkeeper events",
            "version": "1",
            "description": "CloudEvents 1.0 in Kafka binary mode. Delivery is at least once; records of one key stay in order.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(topic) for name, topic in TOPICS.items()},
        "operations": _operations(),
        "components": {
            "messages": {name: _message(message) for name, message in MESSAGES.items()},
            "messageTraits": {"cloudEvent": {"headers": _headers()}},
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": [topic.cleanup.value]}
    if topic.retention is not None:
        configuration["retention.ms"] = int(topic.retention.total_seconds() * 1000)
    return {
        "address": topic.name,
        "description": topic.purpose,
        "messages": {
            _last(message.type): {"$ref": f"#/components/messages/{message.type}"} for message in topic.messages
        },
        "bindings": {"kafka": {"partitions": topic.partitions, "topicConfiguration": configuration}},
        "x-public": topic.public,
    }


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for topic in TOPICS.values():
        for service in SERVICES:
            for action, services in (("send", topic.producers), ("receive", topic.consumers)):
                if service in services:
                    operations[f"{service} {action} {topic.name}"] = {
                        "action": action,
                        "channel": {"$ref": f"#/channels/{topic.name}"},
                        "tags": [{"name": service}],
                    }
    return operations


def _message(message: type[Message]) -> dict[str, Any]:
    return {
        "name": message.type,
        "title": message.__name__,
        "summary": (message.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "payload": {"$ref": f"schemas/{message.type}.json"},
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
        "bindings": {"kafka": {"key": {"type": "string", "description": "job_id/object_id"}}},
    }


def _headers() -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name for name in HEADERS if name != "traceparent"],
        "properties": {name: {"type": "string", "description": text} for name, text in HEADERS.items()},
    }


def page() -> str:
    """Return the Markdown page that lists topics, who writes and reads them, and their messages."""
    lines = [
        "# Events",
        "",
        "Generated from `shared/contracts`; `make generate` writes it anew. AsyncAPI: `asyncapi.json`; schemas: `schemas/`.",
        "",
        "| topic | from → to | cleanup | partitions | messages |",
        "|---|---|---|---|---|",
    ]
    for topic in TOPICS.values():
        readers = ", ".join(topic.consumers) or ("**public**" if topic.public else "")
        days = f" {topic.retention.days} d" if topic.retention else ""
        messages = ", ".join(f"[{message.__name__}](schemas/{message.type}.json)" for message in topic.messages)
        lines.append(
            f"| `{topic.name}` | {', '.join(topic.producers)} → {readers} | {topic.cleanup}{days} | {topic.partitions} | {messages} |"
        )
    lines += ["", "Each reader has a dead-letter topic `TOPIC.SERVICE.dlq`, kept for 30 days.", ""]
    for name, text in HEADERS.items():
        lines.append(f"* header `{name}`: {text}")
    return "\n".join(lines) + "\n"


def _last(name: str) -> str:
    return name.removeprefix("seatkeeper.")


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


def main() -> int:
    """Write the documents, or with ``--check`` exit with 1 naming those that are stale."""
    parser = argparse.ArgumentParser(description="Generated event documents.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    made = {arguments.folder / name: text for name, text in documents().items()}
    present = {file for file in arguments.folder.rglob("*") if file.is_file()}
    stale = [file for file, text in made.items() if file not in present or file.read_text("utf-8") != text]
    stale += sorted(present - made.keys())
    if arguments.check:
        for file in stale:
            sys.stderr.write(f"{file} is not what the code says; run: make generate\n")
        return 1 if stale else 0
    for file in present - made.keys():
        file.unlink()
    for file, text in made.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
