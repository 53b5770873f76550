"""CloudEvents 1.0 in Kafka's binary mode: attributes in `ce_*` headers, the value is the event's JSON."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from pydantic import ValidationError

from shared.errors import Unreadable, first_problem
from shared.events import EVENT_TYPES, Event
from shared.kafka.message import InMessage, OutMessage
from shared.signing import Signer, Trust


def rfc3339(moment: datetime) -> str:
    """A UTC time as RFC 3339, as pydantic writes it in JSON."""
    return moment.isoformat().replace("+00:00", "Z")


def encode(
    event: Event, source: str, signer: Signer | None = None, extensions: Mapping[str, str] = MappingProxyType({})
) -> OutMessage:
    """The message of an event from the service `source`; topic and key (the model's name) come from the event.

    `extensions` are more attributes, such as `traceparent` and `tracestate` of CloudEvents' distributed tracing.
    """
    value = event.model_dump_json().encode()
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_type": event.type,
        "ce_source": f"/driftline/{source}",
        "ce_time": rfc3339(event.time),
        "ce_subject": event.model,
        "content-type": "application/json",
        **{f"ce_{name}": text for name, text in extensions.items()},
    }
    headers = tuple((name, text.encode()) for name, text in attributes.items())
    signature = signer.sign(value) if signer else ()
    return OutMessage(event.topic, value, _key(event), headers + signature)


def _key(event: Event) -> bytes | None:
    return event.model.encode() if event.keyed else None


def decode(message: InMessage) -> Event:
    """The event in a message.

    Raises:
        Unreadable: no known type, a field is missing, unknown or wrong, or the value contradicts its headers.
    """
    kind = EVENT_TYPES.get(message.header("ce_type") or "")
    if kind is None:
        raise Unreadable(f"ce_type: {message.header('ce_type')!r} is no known event type")
    try:
        event = kind.model_validate_json(message.value or b"", strict=True)  # else true is 1, and 0 a time in 1970
    except ValidationError as error:
        raise Unreadable(": ".join((kind.__name__, *first_problem(error, "value")))) from error
    _check_surroundings(message, event)
    return event


def _check_surroundings(message: InMessage, event: Event) -> None:
    """What stands beside the value must not contradict it: headers and key are not signed."""
    if "type" not in event.model_fields_set:
        raise Unreadable(f"{event.type}: type: is missing in the value")
    if event.topic != message.topic:
        raise Unreadable(f"{event.type}: belongs on {event.topic}, came on {message.topic}")
    if message.key != _key(event):  # compaction and order go by it
        raise Unreadable(f"{event.type}: key: must be {_key(event)!r}, not {message.key!r}")
    wanted = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_time": rfc3339(event.time),
        "ce_subject": event.model,
    }
    for name, text in wanted.items():
        if message.header(name) != text:
            raise Unreadable(f"{name}: the header says {message.header(name)!r}, expected {text!r}")


def verified(message: InMessage, trust: Trust, service: str) -> Event:
    """The event in a message signed by `service`; raises Unreadable as `decode` does, and for a bad signature."""
    trust.check(message.value or b"", message.headers, service)
    return decode(message)
