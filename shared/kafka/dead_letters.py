"""Dead-letters: the original bytes, with headers that say where they came from and why they could not be read."""

from shared.kafka.admin import DEAD_LETTERS
from shared.kafka.message import InMessage, OutMessage


def dead_letter(message: InMessage, reason: str, service: str) -> OutMessage:
    """The message for `driftline.dead-letters`; the key is the source topic."""
    told = {
        "driftline-topic": message.topic,
        "driftline-partition": str(message.partition),
        "driftline-offset": str(message.offset),
        "driftline-reason": reason,
        "driftline-service": service,
    }
    headers = (*message.headers, *((name, text.encode()) for name, text in told.items()))
    return OutMessage(DEAD_LETTERS, message.value or b"", message.topic.encode(), headers)
