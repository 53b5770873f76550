from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from shared.kafka import reading
from shared.kafka.reading import Reader, from_record
from tests.unit.shared.kafka_fakes import ONE, ZERO, record


class Log:
    """A consumer of partitions t/0 and t/1 that fails at poisoned offsets as aiokafka does: what the same call had
    taken from other partitions is gone, and the next call gives nothing from that partition.
    """

    def __init__(self, lengths: dict[TopicPartition, int], poison: set[tuple[TopicPartition, int]]) -> None:
        self.lengths, self.poison = lengths, poison
        self.positions = {ZERO: 0, ONE: 0}
        self.fetching: set[TopicPartition] = set()

    def assignment(self) -> set[TopicPartition]:
        return set(self.positions)

    async def getmany(self, *only: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, Any]:
        assert timeout_ms >= 0
        found: dict[TopicPartition, list[ConsumerRecord]] = {}
        for partition in only or (ZERO, ONE):
            if partition in self.fetching:
                self.fetching.remove(partition)
                continue
            first = self.positions[partition]
            end = min(self.lengths[partition], first + max_records)
            for offset in range(first, end):
                if (partition, offset) in self.poison:
                    self.fetching.add(partition)
                    raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
                found.setdefault(partition, []).append(record(offset, partition.partition))
            self.positions[partition] = end
            max_records -= end - first
            if not max_records:
                break
        return found

    async def position(self, partition: TopicPartition) -> int:
        return self.positions[partition]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset


async def read_all(log: Log, whole: Sequence[str] = ()) -> list[ConsumerRecord]:
    reader = Reader(log, whole)  # pyright: ignore[reportArgumentType]
    read: list[ConsumerRecord] = []
    for _ in range(1_000):
        read += [one for batch in (await reader.read(10)).values() for one in batch]
        if log.positions == log.lengths:
            break
    return read


def offsets(read: list[ConsumerRecord], partition: int) -> list[int]:
    return [one.offset for one in read if one.partition == partition]


async def test_records_are_read_in_order() -> None:
    log = Log({ZERO: 700, ONE: 3}, set())
    read = await read_all(log)
    assert offsets(read, 0) == list(range(700))
    assert offsets(read, 1) == [0, 1, 2]


@pytest.mark.parametrize("poison", [{(ONE, 0)}, {(ONE, 2)}, {(ZERO, 1), (ZERO, 2), (ONE, 2)}, {(ZERO, 4)}])
async def test_a_record_that_can_not_be_parsed_comes_empty_and_no_other_is_lost_or_repeated(
    poison: set[tuple[TopicPartition, int]],
) -> None:
    log = Log({ZERO: 5, ONE: 3}, poison)
    read = await read_all(log)
    assert offsets(read, 0) == [0, 1, 2, 3, 4]
    assert offsets(read, 1) == [0, 1, 2]
    empty = {(TopicPartition("t", one.partition), one.offset) for one in read if one.value is None}
    assert empty == poison


async def test_it_goes_on_where_the_consumer_stands_whoever_has_sent_it_there() -> None:
    log = Log({ZERO: 9, ONE: 6}, {(ONE, 5)})
    log.positions = {ZERO: 7, ONE: 4}
    read = await read_all(log)
    assert (offsets(read, 0), offsets(read, 1)) == ([7, 8], [4, 5])


async def test_only_the_partitions_asked_for_are_read() -> None:
    log = Log({ZERO: 4, ONE: 4}, {(ZERO, 2)})
    reader = Reader(log)  # pyright: ignore[reportArgumentType]
    assert [[*await reader.read(10, [ONE])] for _ in range(2)] == [[ONE], []]
    assert log.positions == {ZERO: 0, ONE: 4}


async def test_a_call_takes_so_many_records_or_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log({ZERO: 4_000, ONE: 40}, set())
    reader = Reader(log)  # pyright: ignore[reportArgumentType]
    assert {place: len(found) for place, found in (await reader.read(10, most=40)).items()} == {ZERO: 40, ONE: 40}
    monkeypatch.setattr(reading, "_MOST_OF_ALL", 60)
    assert [len(found) for found in (await reader.read(10, most=40)).values()] == [30]
    log.lengths[ONE] = 80
    monkeypatch.setattr(reading, "_MOST_OF_ALL", 6_000)
    monkeypatch.setattr(reading, "_MOST_BYTES", 2 * 26)  # each value has a byte
    assert {place: len(found) for place, found in (await reader.read(10, most=40)).items()} == {ZERO: 40, ONE: 40}
    log.lengths[ONE] = 120
    monkeypatch.setattr(reading, "_MOST_BYTES", 2 * 25)
    assert {place: len(found) for place, found in (await reader.read(10, most=40)).items()} == {ZERO: 26, ONE: 25}
    monkeypatch.setattr(reading, "_MOST_OF_ALL", 1)
    assert [len(found) for found in (await reader.read(10, most=40)).values()] == [1, 1]


async def test_a_topic_that_must_be_whole_is_not_read_past_such_a_record() -> None:
    log = Log({ZERO: 4, ONE: 0}, {(ZERO, 3)})
    with pytest.raises(UnicodeDecodeError):
        await read_all(log, whole=["t"])
    assert log.positions[ZERO] == 3


def test_a_null_in_a_header_is_empty() -> None:
    message = from_record(record(0, headers=[("a", None), ("b", b"x")]))
    assert message.headers == (("a", b""), ("b", b"x"))
    assert message.header("a") == ""


def test_the_last_header_of_a_name_counts_and_must_be_utf8() -> None:
    message = from_record(record(0, headers=[("a", b"1"), ("a", b"2"), ("b", b"\xff")]))
    assert message.header("a") == "2"
    assert message.header("b") is None
    assert message.header("c") is None
