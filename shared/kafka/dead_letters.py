"""Dead-letters: the original bytes, with headers that say where they came from and why they could not be read."""

from shared.kafka.admin import DEAD_LETTERS, MOST_BYTES
from shared.kafka.message import Headers, InMessage, OutMessage

_MOST_REASON = 1_000  # characters
_MOST_HEADERS = MOST_BYTES // 8
_MOST_VALUE = MOST_BYTES - 2 * _MOST_HEADERS


def dead_letter(message: InMessage, reason: str, service: str) -> OutMessage:
    """The message for `driftline.dead-letters`; the key is the source topic.

    A message that would not fit loses its headers, or the end of its value: `driftline-length` tells the whole length.
    """
    value = message.value or b""
    told = {
        "driftline-topic": message.topic,
        "driftline-partition": str(message.partition),
        "driftline-offset": str(message.offset),
        "driftline-reason": reason[:_MOST_REASON],
        "driftline-service": service,
        "driftline-length": str(len(value)),
    }
    headers = tuple((name, text.encode(errors="replace")) for name, text in told.items())
    return OutMessage(DEAD_LETTERS, value[:_MOST_VALUE], message.topic.encode(), (*_fitting(message.headers), *headers))


def _fitting(headers: Headers) -> Headers:
    known = tuple((name, value or b"") for name, value in headers)  # other readers than ours leave Kafka's null in
    size = sum(len(name.encode()) + len(value) + 10 for name, value in known)
    return known if size <= _MOST_HEADERS else ()
