"""State as keys and values of the table.

A key begins with the number of the changelog partition it belongs in. A value begins with its version, which grows with
each writing: of two values the one with the higher version is right, whichever was written last.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from services.drift_detection.domain.partition import Partial, PartitionState, Source, Tally, WindowKey
from services.drift_detection.domain.state import ModelRecord
from shared.errors import Unreadable
from shared.reference import Sketch

_VERSION = struct.Struct(">q")
_PARTIAL = struct.Struct(">qqq")

Entry = tuple[bytes, bytes]
HEAD = "head"
WINDOW = "window"
MODEL = "model"


def partition_of(key: bytes) -> int:
    """The changelog partition of a key."""
    return int(key.split(b"/", 1)[0])


def version_of(value: bytes) -> int:
    """The version of a value."""
    return int(_VERSION.unpack_from(value)[0])


def head_entry(state: PartitionState) -> Entry:
    """A partition's offset, clocks and counts."""
    content = {
        "offset": state.offset,
        "clocks": state.clocks,
        "tallies": [[*source, *vars(tally).values()] for source, tally in state.tallies.items()],
    }
    return f"{state.number}/{HEAD}".encode(), _VERSION.pack(state.offset) + json.dumps(content).encode()


def partial_key(partition: int, key: WindowKey) -> bytes:
    """The key of a partition's part of a window."""
    return f"{partition}/{WINDOW}/{key.start}/{key.digest}/{key.role}".encode()


def partial_entry(partition: int, key: WindowKey, partial: Partial) -> Entry:
    """A partition's part of a window."""
    counts = _PARTIAL.pack(partial.offset, partial.repeats, partial.late_rows)
    return partial_key(partition, key), counts + partial.sketch.to_bytes()


def model_entry(record: ModelRecord) -> Entry:
    """What a model's watch remembers; kept in partition 0, which one worker holds with all the others."""
    value = zlib.compress(record.model_dump_json().encode(), 1)
    return f"0/{MODEL}/{record.model}".encode(), _VERSION.pack(record.version) + value


def read_state(entries: Iterable[Entry], numbers: Iterable[int]) -> tuple[dict[int, PartitionState], list[ModelRecord]]:
    """The partitions with these numbers and all models, from the table's entries.

    Raises:
        Unreadable: an entry is damaged.
    """
    states = {number: PartitionState(number) for number in numbers}
    records: list[ModelRecord] = []
    try:
        for key, value in entries:
            _read(key, value, states, records)
    except (ValueError, KeyError, TypeError, struct.error, zlib.error, ValidationError) as error:
        raise Unreadable(f"state: {error}") from error
    return states, records


def _read(key: bytes, value: bytes, states: Mapping[int, PartitionState], records: list[ModelRecord]) -> None:
    number, kind, *rest = key.decode().split("/")
    if kind == MODEL:
        records.append(ModelRecord.model_validate_json(zlib.decompress(value[_VERSION.size :])))
    elif (state := states.get(int(number))) is None:
        return
    elif kind == HEAD:
        _read_head(value, state)
    else:
        start, digest, role = rest
        offset, repeats, late_rows = _PARTIAL.unpack_from(value)
        sketch = Sketch.from_bytes(value[_PARTIAL.size :])
        state.partials[WindowKey(int(start), digest, role)] = Partial(sketch, offset, repeats, late_rows)


def _read_head(value: bytes, state: PartitionState) -> None:
    content = json.loads(value[_VERSION.size :])
    state.offset = content["offset"]
    state.clocks = dict(content["clocks"])
    for model, digest, role, *counts in content["tallies"]:
        state.tallies[Source(model, digest, role)] = Tally(*counts)
