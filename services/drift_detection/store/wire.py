"""Words as Kafka messages of `driftline.partials`: a line of JSON, then the bytes of a part if there is one."""

import json
from typing import Any

from services.drift_detection.domain.source.parts import Partial
from services.drift_detection.domain.source.words import HeadWord, PartWord, Word
from services.drift_detection.store.entries import (
    DAMAGED,
    key_of,
    marks_as_json,
    marks_of,
    tallies_as_json,
    tallies_of,
)
from shared.errors import Unreadable
from shared.kafka.admin import PARTIALS
from shared.kafka.message import OutMessage


def encode_word(home: int, word: Word) -> OutMessage:
    """The message for a partition of the topic."""
    if isinstance(word, PartWord):
        part = word.part
        told = {
            "partition": word.partition,
            "model": word.model,
            "window": list(word.key),
            "part": [part.offset, part.repeats, part.late_rows],
            "beside": len(part.beside_packed),
        }
        value = json.dumps(told).encode() + b"\n" + part.beside_packed + part.packed
        return OutMessage(PARTIALS, value, word.model.encode(), partition=home)
    told = {
        "partition": word.partition,
        "offset": word.offset,
        "at_end": word.at_end,
        "clocks": word.clocks,
        "tallies": tallies_as_json(word.tallies),
        "newest": word.newest,
        "read": word.read,
        "marks": marks_as_json(word.marks),
    }
    return OutMessage(PARTIALS, json.dumps(told).encode() + b"\n", partition=home)


def decode_word(value: bytes, sources: int) -> Word:
    """The word in a message, from one of so many source partitions.

    Raises:
        Unreadable: it is none.
    """
    line, _, sketch = value.partition(b"\n")
    try:
        told = json.loads(line)
        if not 0 <= told["partition"] < sources:
            raise ValueError(f"there is no source partition {told['partition']}")
        return _part(told, sketch) if "window" in told else _head(told)
    except DAMAGED as error:
        raise Unreadable(f"word: {error}") from error


def _part(told: dict[str, Any], packed: bytes) -> PartWord:
    start, *rest = told["window"]
    offset, repeats, late_rows = map(int, told["part"])
    end = int(told["beside"])
    part = Partial(packed[end:], offset, repeats, late_rows, packed[:end])
    _ = part.sketch, part.beside  # raises Unreadable if it is none
    return PartWord(str(told["model"]), told["partition"], key_of(start, *map(str, rest)), part)


def _head(told: dict[str, Any]) -> HeadWord:
    clocks = {str(model): int(time) for model, time in told["clocks"].items()}
    days = int(told["newest"]), int(told["read"]), marks_of(told["marks"])
    return HeadWord(
        told["partition"], int(told["offset"]), bool(told["at_end"]), clocks, tallies_of(told["tallies"]), *days
    )
