"""The AsyncAPI document: all topics, what is on them, who sends and who receives."""

import re
import tomllib
from pathlib import Path
from typing import Any

from scripts.contracts import arrow, inference
from scripts.contracts.events import description, event_schema, summary
from shared.definition import NAME
from shared.events import EVENT_TYPES, Event, LabelsReceived
from shared.kafka.admin import DEAD_LETTERS, INCIDENTS, OUTCOMES, PARTIALS, PREDICTIONS, REQUESTS, SCORES, TOPICS, Topic
from shared.kafka.dead_letters import dead_letter
from shared.kafka.message import InMessage
from shared.signing import KEY, SIGNATURE

Document = dict[str, Any]
_ROOT = Path(__file__).parents[2]
_BINDING = {"bindingVersion": "0.5.0"}
_BINARY = {"type": "string", "format": "binary"}
_TEXT = {"type": "string"}
_TRACING = {
    "ce_traceparent": {**_TEXT, "description": "W3C trace context of the post, if it is part of a trace."},
    "ce_tracestate": {**_TEXT, "description": "What goes with it."},
}


def asyncapi() -> Document:
    """The whole document. The events' payloads are the files beside it."""
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The broker at KAFKA_BOOTSTRAP; timestamps are LogAppendTime on every topic.",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092"}},
            }
        },
        "channels": {channel_name(topic): _channel(topic) for topic in TOPICS},
        "operations": {name: operation for topic in TOPICS for name, operation in _operations(topic).items()},
        "components": {"messages": _messages()},
    }


def _info() -> Document:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    return {
        "title": "Driftline",
        "version": project["version"],
        "description": (
            "All that passes between Driftline's services. Control topics carry CloudEvents 1.0 in binary mode: the "
            "attributes in `ce_*` headers, the value is the event's JSON. Ids are deterministic, so a repeat is "
            "recognised; `time` is event time. What cannot be read goes to the dead-letters."
        ),
        "license": {"name": project["license"]},
    }


_FORMATS = {
    PREDICTIONS: "PredictionBatch",
    OUTCOMES: "OutcomeBatch",
    PARTIALS: "Word",
    INCIDENTS: "Incidents",
    DEAD_LETTERS: "DeadLetter",
}


def channel_name(topic: Topic) -> str:
    """`driftline.dead-letters` → `deadLetters`."""
    return re.sub(r"-(\w)", lambda match: match[1].upper(), topic.name.removeprefix("driftline."))


def message_names(topic: Topic) -> list[str]:
    """The types of messages on a topic."""
    if topic.name in _FORMATS:
        return [_FORMATS[topic.name]]
    if topic.name in (REQUESTS, SCORES):
        return ["InferenceRequest" if topic.name == REQUESTS else "InferenceAnswer"]
    return [name for name, kind in EVENT_TYPES.items() if kind.topic == topic.name]


def _channel(topic: Topic) -> Document:
    return {
        "address": topic.name,
        "description": topic.description,
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in message_names(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {name: _configured(name, value) for name, value in topic.config.items()},
                **_BINDING,
            }
        },
    }


def _configured(name: str, value: str) -> int | list[str]:
    return value.split(",") if name == "cleanup.policy" else int(value)


def _operations(topic: Topic) -> Document:
    channel = channel_name(topic)
    sides = [("send", who) for who in topic.written_by] + [("receive", who) for who in topic.read_by]
    return {
        f"{who}.{action}.{channel}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "tags": [{"name": who}],
            "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in message_names(topic)],
        }
        for action, who in sides
    }


def _messages() -> Document:
    topics = {topic.name: topic for topic in TOPICS}
    events = {name: _event(kind, topics[kind.topic]) for name, kind in EVENT_TYPES.items()}
    batches = {
        "PredictionBatch": _batch("Answered rows of one (bundle digest, role).", arrow.predictions()),
        "OutcomeBatch": _batch("Labels with their predictions, of one (bundle digest, role).", arrow.outcomes()),
    }
    named = {name: {"name": name, **batch} for name, batch in batches.items()}
    producer = {**_TEXT, "description": "The producer, so that all it sends is in one partition."}
    named["OutcomeBatch"]["bindings"] = {"kafka": {"key": producer, **_BINDING}}
    internal = {"Word": _word(), "Incidents": _incidents()}
    return {**named, **internal, **inference.messages(), **events, "DeadLetter": _dead_letter()}


def _event(kind: type[Event], topic: Topic) -> Document:
    name = kind.__name__
    return {
        "name": name,
        "summary": summary(kind),
        "description": description(kind),
        "contentType": "application/json",
        "headers": _event_headers(kind, topic),
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-07",
            "schema": {"$ref": f"./{name}.json"},
        },
        "bindings": {"kafka": {**({"key": {"type": "string", "pattern": NAME}} if kind.keyed else {}), **_BINDING}},
    }


def _event_headers(kind: type[Event], topic: Topic) -> Document:
    known = event_schema(kind)["properties"]
    (writer,) = topic.written_by
    told = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {**_TEXT, "pattern": known["id"]["pattern"], "description": "Equals `id` in the value."},
        "ce_type": {"const": kind.__name__},
        "ce_source": {"const": f"/driftline/{writer}"},
        "ce_time": {**_TEXT, "format": "date-time", "description": "Equals `time` in the value."},
        "ce_subject": {**_TEXT, "pattern": NAME, "description": "Equals `model` in the value."},
        "content-type": {"const": "application/json"},
    }
    signature = {
        SIGNATURE: {**_BINARY, "description": "Ed25519 signature of the exact bytes of the value."},
        KEY: {"const": writer, "description": "Whose public key fits it."},
    }
    signed = signature if topic.signed else {}
    traced = _TRACING if kind is LabelsReceived else {}
    return {"type": "object", "properties": told | signed | traced, "required": [*told, *signed]}


def _batch(summary: str, form: arrow.Format) -> Document:
    return {
        "summary": summary,
        "description": (
            "An Arrow IPC stream of exactly one uncompressed record batch. Lists of fixed size are as wide as the "
            "model has features or scores. Columns that a reader does not know are passed over."
        ),
        "contentType": arrow.CONTENT_TYPE,
        "payload": {**_BINARY, "x-arrow-columns": form.columns(), "x-arrow-metadata": form.metadata()},
        "bindings": {"kafka": _BINDING},
    }


def _word() -> Document:
    return {
        "name": "Word",
        "summary": "What one source partition has brought to a window, or how far it has come.",
        "description": (
            "Internal to drift_detection, in a form that may change: a line of JSON, then the bytes of a sketch if it "
            "is a part of a window. Of two words on the same, the one of the higher offset is right."
        ),
        "contentType": "application/octet-stream",
        "payload": _BINARY,
        "bindings": {"kafka": {"key": {**_TEXT, "description": "The model of a part; heads have none."}, **_BINDING}},
    }


def _incidents() -> Document:
    return {
        "name": "Incidents",
        "summary": "The incidents of a model, open and ended.",
        "description": (
            "Internal to drift_detection, in a form that may change: a version of 8 bytes, then compressed JSON. Of "
            "two messages on one model, the one of the higher version is right."
        ),
        "contentType": "application/octet-stream",
        "payload": _BINARY,
        "bindings": {"kafka": {"key": {"type": "string", "pattern": NAME, "description": "The model."}, **_BINDING}},
    }


def _dead_letter() -> Document:
    example = dead_letter(InMessage("driftline.drift", 0, 0, None, b"", (), 0), "", "")
    names = [name for name, _ in example.headers]
    beside = {
        "driftline-original-key": {**_TEXT, "description": "The original's key, if it had one."},
        "driftline-headers": {**_TEXT, "description": "That the original's headers were left out, if they were."},
    }
    return {
        "name": "DeadLetter",
        "summary": "A message that could not be read, as it was.",
        "description": (
            "The original bytes and headers, and why they could not be read. One that is too large loses its headers, "
            "or the end of its value; driftline-length tells the length of the whole."
        ),
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "properties": {**dict.fromkeys(names, _TEXT), **beside}, "required": names},
        "payload": _BINARY,
        "bindings": {"kafka": {"key": {**_TEXT, "description": "The topic it was on."}, **_BINDING}},
    }
