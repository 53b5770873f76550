"""What is stored of the source partitions: partials, and heads that vouch for them."""

import json
from collections.abc import Iterable, Mapping

from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.store.entries import (
    DAMAGED,
    HEAD,
    WINDOW,
    Entry,
    content_of,
    key_of,
    key_parts,
    marks_as_json,
    marks_of,
    part_of,
    part_value,
    tallies_as_json,
    tallies_of,
    with_version,
)
from shared.errors import Unreadable


def head_entry(state: PartitionState) -> Entry:
    """A partition's offset, clocks and counts."""
    told = {"offset": state.offset, "clocks": state.clocks, "marks": marks_as_json(state.marks)}
    content = told | {"tallies": tallies_as_json(state.tallies)}
    return f"{state.number}/{HEAD}".encode(), with_version(state.offset, json.dumps(content).encode())


def partial_key(partition: int, key: WindowKey) -> bytes:
    """The key of a partition's part of a window."""
    return f"{partition}/{WINDOW}/{key_parts(key)}".encode()


def partial_entry(partition: int, key: WindowKey, partial: Partial) -> Entry:
    """A partition's part of a window."""
    return partial_key(partition, key), part_value(partial)


def read_partitions(entries: Iterable[Entry], numbers: Iterable[int]) -> dict[int, PartitionState]:
    """The partitions with these numbers; all their parts are to be told again.

    Raises:
        Unreadable: an entry is damaged.
    """
    states = {number: PartitionState(number) for number in numbers}
    try:
        for key, value in entries:
            _read(key, value, states)
    except DAMAGED as error:
        raise Unreadable(f"state of the partitions: {error}") from error
    for state in states.values():
        state.unsent = set(state.partials)
    return states


def _read(key: bytes, value: bytes, states: Mapping[int, PartitionState]) -> None:
    number, kind, *rest = key.decode().split("/", 5)
    if (state := states.get(int(number))) is None:
        return
    if kind == HEAD:
        content = json.loads(content_of(value))
        state.offset, state.clocks = content["offset"], dict(content["clocks"])
        state.marks, state.tallies = marks_of(content["marks"]), tallies_of(content["tallies"])
    else:
        state.partials[key_of(*rest)] = part_of(value)
