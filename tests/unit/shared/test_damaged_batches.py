"""Kafka values that are no Arrow stream of one uncompressed batch, or a damaged one."""

import random

import numpy as np
import pyarrow as pa
import pytest

from shared.arrow_ipc import read_record, write_record
from shared.batch import decode_batch, encode_batch
from shared.errors import Unreadable
from tests.unit.shared.batches import batch, record, same, with_columns


@pytest.mark.parametrize("value", [b"", b"\0" * 8, b"not arrow at all", b"ARROW1\0\0", b'{"json": true}'])
def test_what_is_no_arrow_stream_is_unreadable(value: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_batch(value)


def test_every_truncation_is_unreadable_or_lacks_only_the_end_mark() -> None:
    value = encode_batch(batch())
    end_mark = 8
    for length in range(len(value) - end_mark):
        with pytest.raises(Unreadable):
            decode_batch(value[:length])
    same(batch(), decode_batch(value[:-end_mark]))


def test_two_record_batches_are_refused_so_that_no_row_is_lost_silently() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, record().schema) as writer:
        writer.write_batch(record())
        writer.write_batch(record())
    with pytest.raises(Unreadable, match="more than one"):
        decode_batch(sink.getvalue().to_pybytes())


def test_dictionary_encoded_columns_are_refused() -> None:
    with pytest.raises(Unreadable, match="not schema and dictionary"):
        decode_batch(with_columns(entity=pa.array(["N1"] * 5).dictionary_encode()))


def test_a_stream_without_a_batch_is_refused() -> None:
    sink = pa.BufferOutputStream()
    pa.ipc.new_stream(sink, record().schema).close()
    with pytest.raises(Unreadable, match="no record batch"):
        decode_batch(sink.getvalue().to_pybytes())


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_buffers_are_refused_before_they_are_expanded(codec: str) -> None:
    sink = pa.BufferOutputStream()
    zeros = pa.record_batch([pa.array(np.zeros(30_000_000, np.uint8))], names=["bomb"])
    with pa.ipc.new_stream(sink, zeros.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_batch(zeros)
    bomb = sink.getvalue().to_pybytes()
    del zeros
    before = pa.total_allocated_bytes()
    with pytest.raises(Unreadable, match="compressed"):
        decode_batch(bomb)
    assert len(bomb) < 300_000
    assert pa.default_memory_pool().bytes_allocated() <= before


def mutated(value: bytes, generator: random.Random) -> bytes:
    hurt = bytearray(value)
    for _ in range(generator.choice((1, 1, 2, 4, 16))):
        at, how = generator.randrange(len(hurt)), generator.randrange(5)
        if how == 0:
            hurt[at] = generator.randrange(256)
        elif how == 1:
            hurt[at] ^= 1 << generator.randrange(8)
        elif how == 2:
            del hurt[at : at + generator.randrange(1, 9)]
        elif how == 3:
            hurt[at:at] = generator.randbytes(generator.randrange(1, 9))
        else:  # lengths and offsets as large as they get
            hurt[at : at + 8] = generator.choice((b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f"))
    return bytes(hurt)


def test_of_2000_damaged_messages_each_is_unreadable_or_a_sound_batch() -> None:
    value = encode_batch(batch())
    generator = random.Random(20130315)  # noqa: S311  # damage, no secret
    readable = 0
    for _ in range(2_000):
        try:
            decoded = decode_batch(mutated(value, generator))
        except Unreadable:
            continue
        readable += 1
        assert all(isinstance(key, bytes) and len(key) == 16 for key in decoded.request_id)
        assert decoded.rows.numeric.dtype == np.float32
        assert decoded.rows.categorical.dtype == np.int32
        assert len(decoded.event_time.tolist()) == len(decoded.rows) == len(decoded.scores) == len(decoded)
    assert 0 < readable < 1_000  # else the damage is too great, or too small, to show anything


def test_an_array_that_says_it_is_longer_than_its_buffers_is_refused() -> None:
    with pytest.raises((pa.ArrowException, ValueError)):
        read_record(write_record(record()).replace(b"\x05\0\0\0\0\0\0\0", b"\x05\0\0\0\0\0\0\x7f"))
