"""The stored samples, and what must hold for each of them."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, FormatChecker
from pydantic import ValidationError

from scripts.contracts.events import event_schema
from shared.cloudevents import decode, rfc3339
from shared.errors import Unreadable
from shared.events import EVENT_TYPES, Event
from shared.kafka.message import InMessage

SAMPLES = Path(__file__).parents[2] / "schemas" / "samples"


def sample_files() -> list[Path]:
    """All of all versions."""
    return sorted(SAMPLES.glob("v*/*.json"))


def event_type(sample: Path) -> str:
    """`v1/WindowClosed.empty.json` is one of WindowClosed."""
    return sample.name.split(".")[0]


def message_of(content: dict[str, Any]) -> InMessage:
    """The message that carried the sample: its headers say what stands in its value."""
    kind = EVENT_TYPES[content["type"]]
    headers = {
        "ce_specversion": "1.0",
        "ce_type": content["type"],
        "ce_id": content["id"],
        "ce_time": content["time"],
        "ce_subject": content["model"],
    }
    key = content["model"].encode() if kind.keyed else None
    told = tuple((name, text.encode()) for name, text in headers.items())
    return InMessage(kind.topic, 0, 0, key, json.dumps(content).encode(), told, 1_363_363_200_000)


def broken_promise(kind: type[Event], content: dict[str, Any]) -> str | None:
    """Why a sample that was once written is no longer understood, by the schema or by the code; None if it is."""
    faults = list(Draft7Validator(event_schema(kind), format_checker=FormatChecker()).iter_errors(content))
    if faults:
        return f"schema: {faults[0].json_path}: {faults[0].message}"
    try:
        event = kind.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        return f"code: {error}"
    lost = differences(content, json.loads(event.model_dump_json()))
    return f"lost or changed: {lost}" if lost else None


def decoded(content: dict[str, Any]) -> Event:
    """The event as a consumer gets it; raises Unreadable."""
    event = decode(message_of(content))
    if rfc3339(event.time) != content["time"]:
        raise Unreadable("time: written in another way")
    return event


def differences(old: Any, new: Any, path: str = "$") -> list[str]:
    """Where `new` lacks something of `old` or says otherwise; fields that came later are none."""
    if isinstance(old, dict) and isinstance(new, dict):
        shared = [(f"{path}.{name}", value, new.get(name, "(missing)")) for name, value in old.items()]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        shared = [(f"{path}[{at}]", *pair) for at, pair in enumerate(zip(old, new, strict=True))]
    else:
        return [] if type(old) is type(new) and old == new else [path]
    return [place for where, left, right in shared for place in differences(left, right, where)]
