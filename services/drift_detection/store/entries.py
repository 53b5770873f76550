"""State as keys and values of a table.

A key begins with the number of the changelog partition it belongs in. A value begins with its version, which grows with
each writing: of two values the one with the higher version is right, whichever was written last.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from services.drift_detection.domain.source.parts import Partial, Source, Tally, WindowKey

_VERSION = struct.Struct(">q")
_PARTIAL = struct.Struct(">qqqI")

Entry = tuple[bytes, bytes]
HEAD = "head"
WINDOW = "window"
DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    struct.error,
    zlib.error,
    ValidationError,
)


def partition_of(key: bytes) -> int:
    """The changelog partition of a key."""
    return int(key.split(b"/", 1)[0])


def version_of(value: bytes) -> int:
    """The version of a value."""
    return int(_VERSION.unpack_from(value)[0])


def with_version(version: int, content: bytes) -> bytes:
    """A value."""
    return _VERSION.pack(version) + content


def content_of(value: bytes) -> bytes:
    """What `with_version` was given."""
    return value[_VERSION.size :]


def key_parts(key: WindowKey) -> str:
    """A window in a key of the table; the segment is last, as it may hold anything."""
    return f"{key.start}/{key.digest}/{key.role}/{key.segment}"


def key_of(start: str, digest: str, role: str, segment: str) -> WindowKey:
    """The reverse."""
    return WindowKey(int(start), digest, role, segment)


def part_value(partial: Partial) -> bytes:
    """A part of a window; its version is its offset."""
    beside = partial.beside_packed
    return _PARTIAL.pack(partial.offset, partial.repeats, partial.late_rows, len(beside)) + beside + partial.packed


def part_of(value: bytes) -> Partial:
    """The reverse."""
    offset, repeats, late_rows, length = _PARTIAL.unpack_from(value)
    end = _PARTIAL.size + length
    return Partial(value[end:], offset, repeats, late_rows, value[_PARTIAL.size : end])


def tallies_as_json(tallies: dict[Source, Tally]) -> list[list[Any]]:
    """To be stored or sent."""
    return [[*source, *vars(tally).values()] for source, tally in tallies.items()]


def tallies_of(content: list[list[Any]]) -> dict[Source, Tally]:
    """The reverse."""
    return {Source(model, digest, role): Tally(*counts) for model, digest, role, *counts in content}


def marks_as_json(marks: Mapping[str, Mapping[int, int]]) -> dict[str, list[list[int]]]:
    """To be stored or sent."""
    return {model: [list(mark) for mark in days.items()] for model, days in marks.items()}


def marks_of(content: Mapping[str, list[list[int]]]) -> dict[str, dict[int, int]]:
    """The reverse."""
    return {str(model): {int(day): int(time) for day, time in days} for model, days in content.items()}
