import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.cloudevents import decode, encode, rfc3339, verified
from shared.errors import Unreadable
from shared.events import DeploymentChanged, LabelItem, LabelsReceived, stable_id
from shared.kafka.message import InMessage, OutMessage
from shared.signing import Signer, Trust

EVENT = DeploymentChanged(
    id=stable_id("deployment", 3),
    time=datetime(2013, 3, 22, 16, 0, 0, 5, tzinfo=UTC),
    model="flights",
    revision=3,
    champion="a" * 64,
    previous="b" * 64,
    approval_id=stable_id("approval"),
)


def received(message: OutMessage) -> InMessage:
    return InMessage(message.topic, 0, 7, message.key, message.value, message.headers, 1_363_968_000_000)


def with_header(message: InMessage, name: str, value: bytes | None) -> InMessage:
    kept = tuple((key, known) for key, known in message.headers if key != name)
    return replace(message, headers=kept if value is None else (*kept, (name, value)))


def with_value(message: InMessage, **changed: object) -> InMessage:
    content = json.loads(message.value or b"")
    return replace(message, value=json.dumps(content | changed).encode())


def test_an_event_is_a_message_in_binary_mode_and_comes_back() -> None:
    message = encode(EVENT, "governance")
    assert (message.topic, message.key) == ("driftline.deployments", b"flights")
    assert dict(message.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": EVENT.id.encode(),
        "ce_type": b"DeploymentChanged",
        "ce_source": b"/driftline/governance",
        "ce_time": b"2013-03-22T16:00:00.000005Z",
        "ce_subject": b"flights",
        "content-type": b"application/json",
    }
    assert decode(received(message)) == EVENT


@pytest.mark.parametrize(
    "moment",
    [datetime(2013, 3, 22, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, 1, 2, 3, 400_000, UTC)],
)
def test_header_and_value_write_a_time_alike(moment: datetime) -> None:
    event = EVENT.model_copy(update={"time": moment})
    assert json.loads(event.model_dump_json())["time"] == rfc3339(moment)


@pytest.mark.parametrize("name", ["ce_type", "ce_id", "ce_time", "ce_subject", "ce_specversion"])
@pytest.mark.parametrize("value", [None, b"", b"other", b"\xff\xfe", "\N{SNOWMAN}".encode()])
def test_a_header_that_is_missing_or_contradicts_the_value_is_named(name: str, value: bytes | None) -> None:
    with pytest.raises(Unreadable, match=name):
        decode(with_header(received(encode(EVENT, "governance")), name, value))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"revision": True}, "revision"),
        ({"revision": "3"}, "revision"),
        ({"revision": 3.5}, "revision"),
        ({"revision": 0}, "revision"),
        ({"champion": "A" * 64}, "champion"),
        ({"previous": 5}, "previous"),
        ({"time": 1_363_968_000}, "time"),
        ({"time": "2013-03-22T17:00:00.000005+01:00"}, "time"),
        ({"type": "ModelPromoted"}, "type"),
        ({"model": "../x"}, "model"),
        ({"colour": "red"}, "colour"),
        ({"id": "../../x"}, "id"),
    ],
)
def test_a_field_that_breaks_the_contract_is_named(changed: Mapping[str, object], field: str) -> None:
    with pytest.raises(Unreadable, match=f"DeploymentChanged: {field}"):
        decode(with_value(received(encode(EVENT, "governance")), **changed))


@pytest.mark.parametrize(
    "value",
    [None, b"", b"null", b"[]", b"3", b"{", b'"x"', b"\xff", b"NaN", b"[" * 100_000, b'{"id": "\\ud800"}', b"\0" * 100],
)
def test_a_value_that_is_no_event_is_unreadable(value: bytes | None) -> None:
    with pytest.raises(Unreadable, match="DeploymentChanged"):
        decode(replace(received(encode(EVENT, "governance")), value=value))


def test_a_value_without_its_type_is_refused_since_the_header_is_not_signed() -> None:
    message = received(encode(EVENT, "governance"))
    content = json.loads(message.value or b"")
    del content["type"]
    with pytest.raises(Unreadable, match="type: is missing"):
        decode(replace(message, value=json.dumps(content).encode()))


def test_an_event_on_the_topic_of_another_is_refused() -> None:
    with pytest.raises(Unreadable, match=r"belongs on driftline\.deployments"):
        decode(replace(received(encode(EVENT, "governance")), topic="driftline.drift"))


def test_labels_have_no_key_so_that_they_spread_over_the_partitions() -> None:
    label = LabelItem(request_id="r1", value=1.0, event_time=EVENT.time)
    labels = LabelsReceived(id=stable_id(1), time=EVENT.time, model="flights", labels=(label,))
    message = encode(labels, "inference")
    assert message.key is None
    assert decode(received(message)) == labels


def test_a_key_that_is_not_the_model_is_refused_since_compaction_goes_by_it() -> None:
    with pytest.raises(Unreadable, match="key"):
        decode(replace(received(encode(EVENT, "governance")), key=b"trains"))


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "governance.pub").write_bytes(public)
    return Signer("governance", key)


def test_a_signed_event_is_verified(tmp_path: Path, signer: Signer) -> None:
    assert verified(received(encode(EVENT, "governance", signer)), Trust(tmp_path), "governance") == EVENT


def test_an_unsigned_or_changed_event_is_not(tmp_path: Path, signer: Signer) -> None:
    trust = Trust(tmp_path)
    with pytest.raises(Unreadable, match="a signature by governance is needed"):
        verified(received(encode(EVENT, "governance")), trust, "governance")
    signed = received(encode(EVENT, "governance", signer))
    with pytest.raises(Unreadable, match="not a valid signature"):
        verified(with_value(signed, revision=4), trust, "governance")
    with pytest.raises(Unreadable, match="not a valid signature"):
        verified(replace(signed, value=None), trust, "governance")
