"""Whom a row is about, put into few groups: what rows of one subject have in common shows between the groups."""

from collections.abc import Sequence
from functools import cache
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shared.later import column_of

GROUPS = 64
_KEY_BYTES = 16
_MOST_BYTES = 64  # of a subject that is looked up in a table; longer ones are rare


def group(subject: str | bytes) -> int:
    """Which of the 64 groups a subject belongs to: its entity, or its request's 16 bytes if it has none.

    All rows of a subject are in one group, in every process; the choice has nothing to do with the canary's.
    """
    return crc32(subject.encode() if isinstance(subject, str) else subject) % GROUPS


def groups(entity: Sequence[str | None], request_id: Sequence[bytes]) -> NDArray[np.int64]:
    """The groups of n rows, int64 [n]: of each row's entity or, without one, of its request's 16 bytes."""
    keys, names = column_of(request_id, pa.binary(_KEY_BYTES)), column_of(entity, pa.string())
    content = np.frombuffer(keys.buffers()[1], np.uint8).reshape(-1, _KEY_BYTES)
    found = _of_equal_size(content[keys.offset :][: len(keys)], _KEY_BYTES)
    if names.null_count < len(names):
        found[names.is_valid().to_numpy(zero_copy_only=False)] = _of_texts(names.drop_null())
    return found


def _of_texts(texts: pa.StringArray) -> NDArray[np.int64]:
    """Of n texts without nulls: those of one size at once."""
    ends = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset :][: len(texts) + 1]
    content = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    sizes = np.diff(ends)
    found = np.empty(len(texts), dtype=np.int64)
    for size in np.unique(sizes).tolist():
        where = np.flatnonzero(sizes == size)
        if 0 < size <= _MOST_BYTES:
            found[where] = _of_equal_size(content[ends[where, None] + np.arange(size)], size)
        else:
            found[where] = [group(texts[at].as_py()) for at in where.tolist()]
    return found


def _of_equal_size(subjects: NDArray[np.uint8], size: int) -> NDArray[np.int64]:
    """Of subjects uint8 [n, size]. A CRC is linear: each byte has its part in it, whatever the others are."""
    # A row for each place of a byte: numpy is quicker in few long rows than in many short ones.
    places = np.add(subjects.T, np.arange(0, 256 * size, 256)[:, None], order="C")
    parts, nothing = _parts(size)
    found: NDArray[np.uint8] = np.bitwise_xor.reduce(parts.take(places), axis=0)
    return (found ^ nothing).astype(np.int64)


@cache
def _parts(size: int) -> tuple[NDArray[np.uint8], int]:
    """What each byte at each place changes in the group of `size` zeros, uint8 [256 · size], and that group."""
    nothing = group(bytes(size))
    parts = [
        group(bytes(at) + bytes([byte]) + bytes(size - at - 1)) ^ nothing for at in range(size) for byte in range(256)
    ]
    return np.array(parts, dtype=np.uint8), nothing
