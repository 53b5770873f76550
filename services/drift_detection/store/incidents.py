"""A model's incidents as a message of `driftline.incidents`, by which all workers know them."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import TypeAdapter

from services.drift_detection.domain.alarm.telling import MOST_TOLD, in_short
from services.drift_detection.domain.state import Incident, ModelRecord
from services.drift_detection.store.entries import DAMAGED, content_of, version_of, with_version
from shared.errors import Unreadable
from shared.kafka.admin import INCIDENTS, MOST_BYTES
from shared.kafka.message import InMessage, OutMessage

_LIST = TypeAdapter(list[Incident])
_MOST = MOST_BYTES * 15 // 16  # beside the version, the key and what Kafka puts around them


class Told(NamedTuple):
    """All incidents of a model; of two messages the one with the higher version is right."""

    model: str
    version: int
    incidents: list[Incident]


def packed(record: ModelRecord, most: int = _MOST) -> tuple[bytes, bool]:
    """The incidents of a record, without its version, in `most` bytes; True if that tells all of them."""
    whole = content = _packed(record.incidents)
    for shorter in _shorter(record.incidents):
        if len(content) <= most:
            break
        content = _packed(shorter)
    return content, content is whole


def _packed(incidents: list[Incident]) -> bytes:
    return zlib.compress(_LIST.dump_json(incidents), 1)


def _shorter(incidents: list[Incident]) -> Iterator[list[Incident]]:
    yield [in_short(one) for one in incidents]
    for most in (MOST_TOLD, MOST_TOLD // 10, 1):
        yield [in_short(one, most, histograms=False) for one in incidents]


def encode_incidents(record: ModelRecord, content: bytes) -> OutMessage:
    """The message with what `packed` gave of the record, which is stored."""
    return OutMessage(INCIDENTS, with_version(record.version, content), record.model.encode())


def decode_incidents(message: InMessage) -> Told:
    """The reverse.

    Raises:
        Unreadable: it is none.
    """
    value, model = message.value or b"", message.key or b""
    try:
        incidents = _LIST.validate_json(zlib.decompress(content_of(value)))
        return Told(model.decode(), version_of(value), incidents)
    except DAMAGED as error:
        raise Unreadable(f"incidents: {error}") from error
