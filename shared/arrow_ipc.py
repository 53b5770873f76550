"""One record batch as an Arrow IPC stream, read so that a hostile message costs no more memory than its own size."""

import struct
from typing import cast

import pyarrow as pa

# Positions of fields in the flatbuffer tables of Arrow's format/Message.fbs.
_MESSAGE_HEADER = 2
_RECORD_BATCH_COMPRESSION = 3


def write_record(record: pa.RecordBatch) -> bytes:
    """An IPC stream of one uncompressed record batch with its schema's metadata."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, record.schema) as writer:
        writer.write_batch(record)
    return cast(bytes, sink.getvalue().to_pybytes())


def read_record(value: bytes) -> pa.RecordBatch:
    """The record batch in an IPC stream, its contents validated.

    Raises:
        pa.ArrowException, OSError: not an IPC stream, or its contents are damaged.
        ValueError: it holds anything but one uncompressed record batch.
    """
    messages = pa.ipc.MessageReader.open_stream(value)
    try:
        schema, batch = messages.read_next_message(), messages.read_next_message()
    except StopIteration:
        raise ValueError("holds no record batch") from None
    if (schema.type, batch.type) != ("schema", "record batch"):
        raise ValueError(f"must be a schema and a record batch, not {schema.type} and {batch.type}")
    if _is_compressed(batch.metadata):  # 30 kB of zstd can hold 1 GB
        raise ValueError("must not be compressed")
    if _has_more(messages):
        raise ValueError("holds more than one record batch")
    record = pa.ipc.read_record_batch(batch, pa.ipc.read_schema(schema))
    record.validate(full=True)
    return record


def _has_more(messages: pa.ipc.MessageReader) -> bool:
    try:
        messages.read_next_message()
    except StopIteration:
        return False
    return True


def _is_compressed(metadata: pa.Buffer) -> bool:
    """Whether the flatbuffer of a record batch message has the table `compression`; Arrow has verified its offsets."""
    message = _number("<I", metadata, 0)
    header = message + _field(metadata, message, _MESSAGE_HEADER)
    return _field(metadata, header + _number("<I", metadata, header), _RECORD_BATCH_COMPRESSION) != 0


def _field(flatbuffer: pa.Buffer, table: int, number: int) -> int:
    """Where in `table` its field is, relative to it; 0 if it has none."""
    slots = table - _number("<i", flatbuffer, table)
    slot = 4 + 2 * number
    return _number("<H", flatbuffer, slots + slot) if slot < _number("<H", flatbuffer, slots) else 0


def _number(form: str, flatbuffer: pa.Buffer, offset: int) -> int:
    try:
        return cast(int, struct.unpack_from(form, flatbuffer, offset)[0])
    except struct.error as error:
        raise ValueError(f"is damaged: {error}") from error
