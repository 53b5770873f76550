"""Dead-letters: the original bytes, with headers that say where they came from and why they could not be read."""

from dataclasses import dataclass

from shared.kafka.admin import DEAD_LETTERS, MOST_BYTES
from shared.kafka.message import Headers, InMessage, OutMessage

_MOST_REASON = 1_000  # characters
_MOST_HEADERS = MOST_BYTES // 8
_MOST_VALUE = MOST_BYTES - 2 * _MOST_HEADERS
_FIRST = "driftline-topic"  # of our headers, which come after the original ones


@dataclass(frozen=True)
class Letter:
    """A dead-letter as read. `topic`, `partition` and `offset` say where the original stood, `length` how many bytes
    its value had, of which `value` may be the beginning; without `has_headers` its headers were too large to be kept.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    service: str
    length: int
    key: bytes | None
    headers: Headers
    has_headers: bool
    value: bytes


def short_reason(reason: str) -> str:
    """A reason as it is kept: not too long, and nothing in it that is no text."""
    return reason[:_MOST_REASON].encode(errors="replace").decode()


def dead_letter(message: InMessage, reason: str, service: str) -> OutMessage:
    """The message for `driftline.dead-letters`; the key is the source topic.

    A message that would not fit loses its headers, or the end of its value: `driftline-length` tells the whole length.
    """
    value = message.value or b""
    told = {
        _FIRST: message.topic,
        "driftline-partition": str(message.partition),
        "driftline-offset": str(message.offset),
        "driftline-reason": short_reason(reason),
        "driftline-service": service,
        "driftline-length": str(len(value)),
    }
    original = _fitting(message.headers)
    if len(original) < len(message.headers):
        told["driftline-headers"] = "left out"
    headers = [(name, text.encode(errors="replace")) for name, text in told.items()]
    if message.key is not None and len(message.key) <= _MOST_HEADERS // 2:
        headers.append(("driftline-original-key", message.key))
    return OutMessage(DEAD_LETTERS, value[:_MOST_VALUE], message.topic.encode(), (*original, *headers))


def read_letter(message: InMessage) -> Letter | None:
    """What a message of the topic says; None if it is no dead-letter."""
    names = [name for name, _ in message.headers]
    if _FIRST not in names:
        return None
    first = len(names) - 1 - names[::-1].index(_FIRST)  # the original may have headers of these names, too
    told = dict(message.headers[first:])
    text = {name.removeprefix("driftline-"): value.decode(errors="replace") for name, value in told.items()}
    try:
        place = (int(text["partition"]), int(text["offset"]))
        return Letter(
            text["topic"],
            *place,
            text["reason"],
            text["service"],
            int(text["length"]),
            told.get("driftline-original-key"),
            message.headers[:first],
            "headers" not in text,
            message.value or b"",
        )
    except (KeyError, ValueError):
        return None


def _fitting(headers: Headers) -> Headers:
    known = tuple((name, value or b"") for name, value in headers)  # other readers than ours leave Kafka's null in
    size = sum(len(name.encode()) + len(value) + 10 for name, value in known)
    return known if size <= _MOST_HEADERS else ()
