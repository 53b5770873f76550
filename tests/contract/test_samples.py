"""Samples of every event as it was once written: they must be understood for ever."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, create_model

from shared.cloudevents import decode, encode
from shared.errors import Unreadable
from shared.events import EVENT_TYPES, DeploymentChanged, Event, LabelsReceived
from shared.events.base import Digest
from shared.kafka.message import InMessage
from tests.contract.samples import SAMPLES, broken_promise, decoded, event_type, message_of, sample_files

NEWEST = max(SAMPLES.glob("v*"), key=lambda folder: int(folder.name[1:]))


def read(sample: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(sample.read_text("utf-8"))
    return content


def name(sample: Path) -> str:
    return f"{sample.parent.name}/{sample.stem}"


@pytest.mark.parametrize("sample", sample_files(), ids=name)
def test_a_stored_sample_is_understood_and_keeps_all_it_says(sample: Path) -> None:
    content = read(sample)
    assert content["type"] == event_type(sample)
    assert broken_promise(EVENT_TYPES[event_type(sample)], content) is None
    assert decoded(content).type == content["type"]


@pytest.mark.parametrize("sample", sorted(NEWEST.glob("*.json")), ids=name)
def test_a_sample_of_the_newest_version_is_written_again_just_as_it_was(sample: Path) -> None:
    content = read(sample)
    message = encode(decoded(content), "test")
    assert json.loads(message.value) == content
    assert list(json.loads(message.value)) == list(content)


@pytest.mark.parametrize("sample", sample_files(), ids=name)
def test_what_is_encoded_decodes_to_itself(sample: Path) -> None:
    event = decoded(read(sample))
    out = encode(event, "test")
    assert decode(InMessage(out.topic, 0, 0, out.key, out.value, out.headers, 1)) == event


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=EVENT_TYPES)
def test_every_event_has_samples_with_each_of_its_fields_told(kind: type[Event]) -> None:
    samples = [read(sample) for sample in NEWEST.glob(f"{kind.__name__}.*json")]
    assert samples
    for field in kind.model_fields:
        assert any(sample.get(field) is not None for sample in samples), f"no sample tells {field}"


def test_no_sample_is_of_an_event_that_is_gone() -> None:
    assert {event_type(sample) for sample in sample_files()} == set(EVENT_TYPES)


DEPLOYED = read(SAMPLES / "v1" / "DeploymentChanged.json")


def changed(**fields: Any) -> type[Event]:
    """A copy of DeploymentChanged with fields added or replaced."""
    return create_model("DeploymentChanged", __base__=DeploymentChanged, **fields)


@pytest.mark.parametrize(
    ("incompatible", "place"),
    [
        ({"region": (str, ...)}, "region"),
        ({"previous": (Digest, ...)}, "previous"),
        ({"revision": (int, Field(ge=3))}, "revision"),
        ({"champion": (int, ...)}, "champion"),
        ({"type": (Literal["DeploymentMade"], "DeploymentMade")}, "type"),
    ],
)
def test_a_change_that_readers_of_old_messages_would_feel_is_found(incompatible: dict[str, Any], place: str) -> None:
    first = read(SAMPLES / "v1" / "DeploymentChanged.first.json")
    found = [broken_promise(changed(**incompatible), sample) for sample in (DEPLOYED, first)]
    assert any(place in (reason or "") for reason in found)


def test_a_field_that_is_taken_away_is_found() -> None:
    fields = {name: (info.annotation, info) for name, info in LabelsReceived.model_fields.items() if name != "labels"}
    without: Any = create_model("LabelsReceived", __base__=Event, **fields)  # type: ignore[call-overload]
    assert "labels" in (broken_promise(without, read(SAMPLES / "v1" / "LabelsReceived.json")) or "")


def test_a_field_that_readers_can_do_without_is_a_change_that_is_allowed() -> None:
    assert broken_promise(changed(region=(str | None, None)), DEPLOYED) is None


@pytest.mark.parametrize("sample", sample_files(), ids=name)
def test_what_a_sample_does_not_say_or_says_twice_is_refused(sample: Path) -> None:
    content = read(sample)
    for field in ("id", "type", "time", "model"):
        left = {known: value for known, value in content.items() if known != field}
        with pytest.raises(Unreadable, match=field):
            decode(InMessage(**{**vars(message_of(content)), "value": json.dumps(left).encode()}))
    with pytest.raises(Unreadable, match="colour"):
        decoded(content | {"colour": 1})
