"""What is stored and sent of labels: how far the outcomes were told, the windows that take labels, and the words."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.performance.label_sources import LabelSource
from services.drift_detection.domain.performance.label_window import LabelWindow
from services.drift_detection.domain.performance.label_words import (
    LabelEntry,
    LabelHead,
    Labelled,
    LabelWord,
    Stream,
)
from services.drift_detection.domain.performance.meeting import Labels
from services.drift_detection.domain.performance.packing import pack_outcomes, unpack_outcomes
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.store.entries import (
    DAMAGED,
    HEAD,
    Entry,
    key_of,
    key_parts,
    partition_of,
    version_of,
    with_version,
)
from shared.errors import Unreadable
from shared.kafka.admin import PARTIALS
from shared.kafka.message import OutMessage

LABELS = "labels"
_MARK = b'{"labels": '


def source_entry(source: LabelSource) -> Entry:
    """How far a partition of the outcomes was told."""
    return f"{source.number}/{HEAD}".encode(), with_version(source.offset, b"")


def read_sources(entries: Iterable[Entry], numbers: Iterable[int]) -> dict[int, int]:
    """The offsets up to which these partitions of the outcomes were told."""
    told = {partition_of(key): version_of(value) for key, value in entries}
    return {number: told.get(number, -1) for number in numbers}


def window_key(number: int, model: str, key: WindowKey) -> bytes:
    """The key of a window that takes labels."""
    return f"{number}/{LABELS}/{model}/{key_parts(key)}".encode()


def window_entries(merging: Merging) -> list[Entry]:
    """The windows whose labels changed; they count as stored from then on."""
    entries = []
    for model, watch in merging.watches.items():
        for key in sorted(watch.labels.changed):
            value = with_version(watch.record.version, _window_value(watch.labels.windows[key]))
            entries.append((window_key(merging.number, model, key), value))
        watch.labels.changed.clear()
    return entries


def forgotten(merging: Merging) -> list[bytes]:
    """The keys of windows that take no more labels; they are told once."""
    keys = []
    for model, watch in merging.watches.items():
        keys += [window_key(merging.number, model, key) for key in sorted(watch.labels.over)]
        watch.labels.over.clear()
    return keys


def _window_value(window: LabelWindow) -> bytes:
    line = [window.predicted, list(window.offsets.items()), list(window.rows.items())]
    return json.dumps(line).encode() + b"\n" + window.packed


def restore_window(merging: Merging, model: str, window: list[str], content: bytes) -> None:
    """Take in a window that was stored."""
    line, _, packed = content.partition(b"\n")
    predicted, offsets, rows = json.loads(line)
    if packed:
        unpack_outcomes(packed)  # raises Unreadable if it is damaged
    merging.watch(model).labels.restore(key_of(*window), LabelWindow(predicted, packed, dict(offsets), dict(rows)))


def heads_as_json(labels: Labels) -> list[list[Any]]:
    """How far the labels were taken in: a part of the head of all words."""
    return [
        [number, head.taken, head.clocks, [[*stream, last] for stream, last in head.sequences.items()]]
        for number, head in labels.heads.items()
    ]


def restore_heads(labels: Labels, told: list[list[Any]]) -> None:
    """Take in what was stored of it. Whether a partition is at its end was true then: it is told again, and until then
    nothing more becomes too late on account of it.
    """
    for number, taken, clocks, sequences in told:
        known = {Stream(*stream): last for *stream, last in sequences}
        labels.heads[number] = LabelHead(taken, clocks=clocks, sequences=known)


def is_label_word(value: bytes) -> bool:
    """Whether a message of the partials tells of labels."""
    return value.startswith(_MARK)


def encode_label_word(home: int, word: LabelWord) -> OutMessage:
    """The message for a partition of the partials."""
    entries = [[*list(vars(entry).values())[:-1], list(map(_labelled, entry.windows))] for entry in word.entries]
    told = [word.partition, word.after, word.until, word.at_end, entries]
    return OutMessage(PARTIALS, json.dumps({"labels": told}).encode(), partition=home)


def _labelled(one: Labelled) -> list[Any]:
    return [one.start, b64encode(pack_outcomes(one.outcomes)).decode(), list(one.rows.items())]


def decode_label_word(value: bytes, heads: Mapping[int, LabelHead]) -> LabelWord:
    """The word in a message.

    Raises:
        Unreadable: it is none.
    """
    try:
        partition, after, until, at_end, entries = json.loads(value)["labels"]
        if partition not in heads:
            raise ValueError(f"there is no partition {partition} of the outcomes")
        return LabelWord(partition, int(after), int(until), bool(at_end), tuple(map(_entry, entries)))
    except DAMAGED as error:
        raise Unreadable(f"word of labels: {error}") from error


def _entry(told: list[Any]) -> LabelEntry:
    offset, model, digest, role, producer, sequence, latest, windows = told
    outcomes = tuple(
        Labelled(int(start), unpack_outcomes(b64decode(packed)), {int(number): int(last) for number, last in rows})
        for start, packed, rows in windows
    )
    return LabelEntry(int(offset), model, digest, role, producer, int(sequence), latest, outcomes)
