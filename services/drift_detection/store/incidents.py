"""A model's incidents as a message of `driftline.incidents`, by which all workers know them."""

import zlib
from typing import NamedTuple

from pydantic import TypeAdapter

from services.drift_detection.domain.state import Incident, ModelRecord
from services.drift_detection.store.entries import DAMAGED, content_of, version_of, with_version
from shared.errors import Unreadable
from shared.kafka.admin import INCIDENTS
from shared.kafka.message import InMessage, OutMessage

_LIST = TypeAdapter(list[Incident])


class Told(NamedTuple):
    """All incidents of a model; of two messages the one with the higher version is right."""

    model: str
    version: int
    incidents: list[Incident]


def packed(record: ModelRecord) -> bytes:
    """The incidents of a record, without its version."""
    return zlib.compress(_LIST.dump_json(record.incidents), 1)


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
