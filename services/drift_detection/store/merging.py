"""What is stored of the models: the parts of windows under way, how far the sources have come, and the records."""

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.scales import Fold, ScaleKey
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.source.words import HeadWord, PartWord
from services.drift_detection.domain.state import ModelRecord
from services.drift_detection.domain.watch import ModelWatch
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
from services.drift_detection.store.labels import LABELS, heads_as_json, restore_heads, restore_window
from shared.errors import Unreadable
from shared.reference import Sketch

_FOLD = struct.Struct(">qqqq")
MODEL = "model"
FOLD = "fold"


def head_entry(merging: Merging) -> Entry:
    """How far the words were taken in, and the last head of each source partition."""
    heads = [
        [
            *(number, head.offset, head.at_end, head.clocks, tallies_as_json(head.tallies)),
            *(head.newest, head.read, marks_as_json(head.marks)),
        ]
        for number, head in merging.heads.items()
    ]
    content = {"offset": merging.offset, "heads": heads, "labels": heads_as_json(merging.labels)}
    return f"{merging.number}/{HEAD}".encode(), with_version(merging.offset, json.dumps(content).encode())


def part_key(merging: Merging, key: WindowKey, source: int) -> bytes:
    """The key of a source partition's part of a window."""
    return f"{merging.number}/{WINDOW}/{source}/{merging.models[key.digest]}/{key_parts(key)}".encode()


def part_entry(merging: Merging, key: WindowKey, source: int) -> Entry:
    """A source partition's part of a window."""
    return part_key(merging, key, source), part_value(merging.parts[key][source])


def model_entry(number: int, record: ModelRecord) -> Entry:
    """What a model's watch remembers."""
    value = zlib.compress(record.model_dump_json().encode(), 1)
    return f"{number}/{MODEL}/{record.model}".encode(), with_version(record.version, value)


def fold_key(merging: Merging, key: ScaleKey) -> bytes:
    """The key of what is final of a coarser window."""
    model = merging.models[key.window.digest]
    return f"{merging.number}/{FOLD}/{key.seconds}/{model}/{key_parts(key.window)}".encode()


def fold_entries(merging: Merging) -> list[Entry]:
    """What is final of the coarser windows that changed; to be stored after the models' records."""
    return [
        (fold_key(merging, key), with_version(scales.version, _fold_value(scales.folds[key])))
        for scales in merging.scales.values()
        for key in sorted(scales.changed)
    ]


def _fold_value(fold: Fold) -> bytes:
    return _FOLD.pack(fold.until, fold.start, fold.repeats, fold.late_rows) + fold.sketch.to_bytes()


def read_mergings(
    entries: Iterable[Entry], numbers: Iterable[int], make: Callable[[int], Merging]
) -> dict[int, Merging]:
    """The partitions with these numbers, each made empty by `make`.

    Raises:
        Unreadable: an entry is damaged.
    """
    mergings = {number: make(number) for number in numbers}
    try:  # records first: they say which windows are final
        for key, value in sorted(entries, key=lambda entry: entry[0].split(b"/", 2)[1] != MODEL.encode()):
            _read(key, value, mergings)
    except DAMAGED as error:
        raise Unreadable(f"state of the models: {error}") from error
    for merging in mergings.values():
        for scales in merging.scales.values():
            scales.restored()
    return mergings


def _read(key: bytes, value: bytes, mergings: Mapping[int, Merging]) -> None:
    number, kind, *rest = key.decode().split("/", 7)
    if (merging := mergings.get(int(number))) is None:
        return
    if kind == MODEL:
        record = ModelRecord.model_validate_json(zlib.decompress(content_of(value)))
        merging.watches[record.model] = ModelWatch(record)
    elif kind == HEAD:
        _read_head(json.loads(content_of(value)), merging)
    elif kind == LABELS:
        model, *window = rest
        restore_window(merging, model, window, content_of(value))
    elif kind == FOLD:
        seconds, model, *window = rest
        merging.restore_fold(model, ScaleKey(int(seconds), key_of(*window)), _fold_of(content_of(value)))
    else:
        source, model, *window = rest
        merging.restore(PartWord(model, int(source), key_of(*window), part_of(value)))


def _fold_of(content: bytes) -> Fold:
    return Fold(Sketch.from_bytes(content[_FOLD.size :]), *_FOLD.unpack_from(content))


def _read_head(content: dict[str, Any], merging: Merging) -> None:
    merging.offset = int(content["offset"])
    restore_heads(merging.labels, content.get("labels", []))
    if not isinstance(content["heads"], list):
        raise TypeError("heads must be a list")
    for number, offset, at_end, clocks, tallies, newest, read, marks in content["heads"]:
        told = tallies_of(tallies), newest, read, marks_of(marks)
        merging.heads[number] = HeadWord(number, offset, at_end, clocks, *told)
