"""CloudEvents 1.0 in Kafka's binary mode: attributes in `ce_*` headers, the value is the event's JSON."""

from datetime import datetime

from pydantic import ValidationError

from shared.errors import Unreadable
from shared.events import EVENT_TYPES, Event
from shared.kafka.message import InMessage, OutMessage
from shared.signing import Signer, Trust


def rfc3339(moment: datetime) -> str:
    """A UTC time as RFC 3339, as pydantic writes it in JSON."""
    return moment.isoformat().replace("+00:00", "Z")


def encode(event: Event, source: str, signer: Signer | None = None) -> OutMessage:
    """The message of an event from the service `source`; topic and key (the model's name) come from the event."""
    value = event.model_dump_json().encode()
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_type": event.type,
        "ce_source": f"/driftline/{source}",
        "ce_time": rfc3339(event.time),
        "ce_subject": event.model,
        "content-type": "application/json",
    }
    headers = tuple((name, text.encode()) for name, text in attributes.items())
    signature = signer.sign(value) if signer else ()
    return OutMessage(event.topic, value, event.model.encode(), headers + signature)


def decode(message: InMessage) -> Event:
    """The event in a message.

    Raises:
        Unreadable: no known type, a field is missing, unknown or wrong, or the value contradicts its headers.
    """
    kind = EVENT_TYPES.get(message.header("ce_type") or "")
    if kind is None:
        raise Unreadable(f"ce_type: {message.header('ce_type')!r} is no known event type")
    try:
        event = kind.model_validate_json(message.value or b"")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "value"
        raise Unreadable(f"{kind.__name__}: {where}: {first['msg']}") from error
    if event.topic != message.topic:
        raise Unreadable(f"{kind.__name__}: belongs on {event.topic}, came on {message.topic}")
    for name, inside in (("ce_id", event.id), ("ce_time", rfc3339(event.time)), ("ce_subject", event.model)):
        if message.header(name) != inside:
            raise Unreadable(f"{name}: the header says {message.header(name)!r}, the value {inside!r}")
    return event


def verified(message: InMessage, trust: Trust, service: str) -> Event:
    """The event in a message signed by `service`; raises Unreadable as `decode` does, and for a bad signature."""
    trust.check(message.value or b"", message.headers, service)
    return decode(message)
