"""schemas/ equals the code, and says what AsyncAPI and JSON Schema allow."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from scripts.contracts import arrow
from scripts.contracts.asyncapi import asyncapi
from scripts.generate_schemas import SCHEMAS, differences, documents, main, write
from shared.batch import decode_batch, encode_batch
from shared.cloudevents import encode
from shared.events import EVENT_TYPES
from shared.kafka.admin import TOPICS
from shared.kafka.dead_letters import dead_letter
from shared.kafka.message import OutMessage
from shared.keys import SERVICES, make_keys
from shared.outcomes import decode_outcomes, encode_outcomes
from shared.signing import Signer
from tests.contract.samples import decoded, message_of, sample_files

DATA = Path(__file__).parents[1] / "data"
DOCUMENT: dict[str, Any] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text("utf-8"))
CHANNELS: dict[str, dict[str, Any]] = {channel["address"]: channel for channel in DOCUMENT["channels"].values()}


def resolved(reference: dict[str, str]) -> dict[str, Any]:
    """What a local $ref points to."""
    node: Any = DOCUMENT
    for part in reference["$ref"].removeprefix("#/").split("/"):
        node = node[part]
    return dict(node)


def messages_on(topic: str) -> set[str]:
    return {resolved(reference)["name"] for reference in CHANNELS[topic]["messages"].values()}


def test_every_file_is_what_the_code_gives_byte_for_byte() -> None:
    for name, content in documents().items():
        assert (SCHEMAS / name).read_bytes() == content.encode()
    assert differences(SCHEMAS) == []
    assert main(["--check"]) == 0


def test_the_same_code_gives_the_same_bytes() -> None:
    assert documents() == documents()
    assert asyncapi() == DOCUMENT


def test_check_finds_what_differs_is_missing_or_stale_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    assert main(["--check", "--folder", str(tmp_path)]) == 0
    (tmp_path / "asyncapi.yaml").write_text("asyncapi: 3.0.0\n")
    (tmp_path / "LabelsReceived.json").unlink()
    (tmp_path / "Forgotten.json").touch()
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert all(name in told for name in ("asyncapi.yaml", "LabelsReceived.json", "Forgotten.json"))
    assert main(["--folder", str(tmp_path)]) == 0
    assert differences(tmp_path) == []


def test_writing_leaves_the_stored_samples_alone(tmp_path: Path) -> None:
    sample = tmp_path / "samples" / "v1" / "LabelsReceived.json"
    sample.parent.mkdir(parents=True)
    sample.write_text("{}")
    write(tmp_path)
    assert sample.read_text() == "{}"


def test_the_document_is_valid_asyncapi() -> None:
    schema = json.loads((DATA / "asyncapi-3.0.0.json").read_text())
    jsonschema.Draft7Validator(schema).validate(DOCUMENT)
    with pytest.raises(jsonschema.ValidationError):  # the schema does look into it
        jsonschema.Draft7Validator(schema).validate(DOCUMENT | {"channels": {"x": {"adress": "x"}}})


def test_every_reference_leads_somewhere() -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    found = references(DOCUMENT)
    assert len(found) > 50
    for reference in found:
        if reference.startswith("./"):
            assert (SCHEMAS / reference).is_file()
        else:
            assert resolved({"$ref": reference})


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=EVENT_TYPES)
def test_every_event_has_a_sound_schema_and_stands_on_its_topic_alone(kind: Any) -> None:
    schema = json.loads((SCHEMAS / f"{kind.__name__}.json").read_text("utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    assert {"id", "type", "time", "model"} <= set(schema["required"])
    assert schema["additionalProperties"] is False
    assert [topic for topic in CHANNELS if kind.__name__ in messages_on(topic)] == [kind.topic]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_is_described_with_its_messages_and_who_sends_and_receives(topic: Any) -> None:
    channel = CHANNELS[topic.name]
    kafka = channel["bindings"]["kafka"]
    assert (kafka["topic"], kafka["partitions"]) == (topic.name, topic.partitions)
    assert set(kafka["topicConfiguration"]) == set(topic.config)
    assert messages_on(topic.name)
    operations = [each for each in DOCUMENT["operations"].values() if resolved(each["channel"]) == channel]
    sides = {
        action: {each["tags"][0]["name"] for each in operations if each["action"] == action}
        for action in ("send", "receive")
    }
    assert sides == {"send": set(topic.written_by), "receive": set(topic.read_by)}


def test_no_other_topic_is_described() -> None:
    assert set(CHANNELS) == {topic.name for topic in TOPICS}
    assert {who for topic in TOPICS for who in (*topic.written_by, *topic.read_by)} <= {
        *SERVICES,
        "all",
        "anyone",
        "clients",
        "operators",
    }


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every service's private key."""
    state = tmp_path_factory.mktemp("state")
    make_keys(state)
    return state / "keys"


def holds(message: OutMessage, name: str) -> None:
    """The message's headers are what the document says."""
    told = {key: value.decode("latin-1") for key, value in message.headers}
    schema = DOCUMENT["components"]["messages"][name]["headers"] | {"additionalProperties": False}
    jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker()).validate(told)


@pytest.mark.parametrize("sample", sample_files(), ids=lambda sample: sample.stem)
def test_the_headers_and_key_that_are_sent_are_the_described_ones(sample: Path, keys: Path) -> None:
    event = decoded(json.loads(sample.read_text("utf-8")))
    (topic,) = (topic for topic in TOPICS if topic.name == event.topic)
    (writer,) = topic.written_by
    signer = Signer.load(keys, writer) if topic.signed else None
    message = encode(event, writer, signer)
    holds(message, event.type)
    bindings = DOCUMENT["components"]["messages"][event.type]["bindings"]["kafka"]
    assert ("key" in bindings) == (message.key is not None)


def test_a_dead_letters_headers_are_the_described_ones() -> None:
    original = message_of(json.loads(sample_files()[0].read_text("utf-8")))
    bare = dead_letter(original, "why", "governance")
    own = tuple((name, value) for name, value in bare.headers if name.startswith("driftline-"))
    holds(OutMessage(bare.topic, bare.value, bare.key, own), "DeadLetter")


def test_the_batch_is_described_column_by_column() -> None:
    payload = DOCUMENT["components"]["messages"]["PredictionBatch"]["payload"]
    columns = {column["name"]: column for column in payload["x-arrow-columns"]}
    assert columns["numeric"]["type"] == "fixed_size_list<float>[width]"
    assert columns["event_time"]["type"] == "timestamp[us, tz=UTC]"
    assert [name for name, column in columns.items() if column["nulls"]] == ["entity", "traceparent"]
    assert set(payload["x-arrow-metadata"]) == {"format", *vars(arrow.example_batch().meta)}
    assert len(decode_batch(encode_batch(arrow.example_batch()))) == 2


def test_outcomes_are_described_column_by_column() -> None:
    payload = DOCUMENT["components"]["messages"]["OutcomeBatch"]["payload"]
    columns = {column["name"]: column for column in payload["x-arrow-columns"]}
    example = arrow.example_outcomes()
    assert list(columns) == [name for name in vars(example) if name != "meta"]
    assert columns["label"]["type"] == "double"
    assert [name for name, column in columns.items() if column["nulls"]] == ["replaced"]
    assert set(payload["x-arrow-metadata"]) == {"format", *vars(example.meta)} - {"failed"}
    assert len(decode_outcomes(encode_outcomes(example))) == 2
