"""What a detector remembers, as bytes: exactly, so that one that was restored decides as one that never stopped."""

import zlib
from dataclasses import fields
from typing import Any

import numpy as np

from services.drift_detection.domain.detector.bank import Bank, Memory
from services.drift_detection.domain.detector.changes import LastPane
from services.drift_detection.domain.detector.group import GroupState
from shared.errors import Unreadable

_LEVEL = 1


def pack(memory: Memory) -> bytes:
    """All arrays one after the other; their shapes are the bank's."""
    return zlib.compress(b"".join(array.astype(_kind(array)).tobytes() for array in _arrays(memory)), _LEVEL)


def unpack(content: bytes, bank: Bank) -> Memory:
    """The reverse of `pack`.

    Raises:
        Unreadable: the bytes are not those of this bank's memory.
    """
    try:
        raw = zlib.decompress(content)
    except zlib.error as error:
        raise Unreadable(f"detector's memory: {error}") from error
    arrays, place = [], 0
    for blank in _arrays(bank.start()):
        kind = _kind(blank)
        end = place + blank.size * kind.itemsize
        if end > len(raw):
            raise Unreadable("detector's memory: shorter than its streams need")
        arrays.append(np.frombuffer(raw[place:end], kind).astype(blank.dtype).reshape(blank.shape))
        place = end
    if place != len(raw):
        raise Unreadable("detector's memory: longer than its streams need")
    return _memory(arrays)


def _kind(array: Any) -> Any:
    return np.dtype("<f8" if array.dtype.kind == "f" else "<i8")


def _arrays(memory: Memory) -> list[Any]:
    parts: list[Any] = [*memory.state, memory.last]
    return [getattr(part, field.name) for part in parts for field in fields(part)]


def _memory(arrays: list[Any]) -> Memory:
    size = len(fields(GroupState))
    *groups, last = [arrays[:size], arrays[size : 2 * size], arrays[2 * size :]]
    return Memory(tuple(GroupState(*group) for group in groups), LastPane(*last))
