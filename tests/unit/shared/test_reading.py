from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition

from shared.kafka.message import InMessage
from shared.kafka.reading import Messages, Reader, from_record
from tests.unit.shared.kafka_fakes import ONE, ZERO, record


class Log:
    """A consumer of partitions t/0 and t/1 that fails at poisoned offsets as aiokafka does: what the same call had
    taken from other partitions is gone.
    """

    def __init__(self, lengths: dict[TopicPartition, int], poison: set[tuple[TopicPartition, int]]) -> None:
        self.lengths, self.poison = lengths, poison
        self.position = {ZERO: 0, ONE: 0}
        self.commits: dict[TopicPartition, int] = {}

    def assignment(self) -> set[TopicPartition]:
        return set(self.position)

    async def getmany(self, *only: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, Any]:
        assert timeout_ms >= 0
        found: dict[TopicPartition, list[ConsumerRecord]] = {}
        for partition in only or (ZERO, ONE):
            ends = min(self.lengths[partition], self.position[partition] + max_records)
            for offset in range(self.position[partition], ends):
                if (partition, offset) in self.poison:
                    raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
                found.setdefault(partition, []).append(record(offset, partition.partition))
            self.position[partition] = ends
        return found

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.position[partition] = offset

    async def committed(self, partition: TopicPartition) -> int | None:
        return self.commits.get(partition)

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)


async def read_all(reader: Reader, log: Log) -> list[InMessage]:
    read: list[InMessage] = []
    for _ in range(1_000):
        messages: Messages = await reader.read(10)
        read += [message for batch in messages.values() for message in batch]
        if all(log.position[partition] >= log.lengths[partition] for partition in log.position):
            break
    return read


def offsets(read: list[InMessage], partition: int) -> list[int]:
    return [message.offset for message in read if message.partition == partition]


async def test_records_are_read_in_order() -> None:
    log = Log({ZERO: 700, ONE: 3}, set())
    read = await read_all(Reader(log), log)  # pyright: ignore[reportArgumentType]
    assert offsets(read, 0) == list(range(700))
    assert offsets(read, 1) == [0, 1, 2]


@pytest.mark.parametrize("poison", [{(ONE, 0)}, {(ONE, 2)}, {(ZERO, 1), (ZERO, 2), (ONE, 2)}, {(ZERO, 4)}])
async def test_a_record_that_can_not_be_parsed_comes_empty_and_no_other_is_lost_or_repeated(
    poison: set[tuple[TopicPartition, int]],
) -> None:
    log = Log({ZERO: 5, ONE: 3}, poison)
    read = await read_all(Reader(log), log)  # pyright: ignore[reportArgumentType]
    assert offsets(read, 0) == [0, 1, 2, 3, 4]
    assert offsets(read, 1) == [0, 1, 2]
    empty = {(TopicPartition("t", message.partition), message.offset) for message in read if message.value is None}
    assert empty == poison


async def test_after_a_failure_it_goes_on_where_the_group_has_committed() -> None:
    log = Log({ZERO: 9, ONE: 6}, {(ONE, 5)})
    log.commits = {ZERO: 7, ONE: 4}
    log.position = {ZERO: 7, ONE: 4}
    reader = Reader(log)  # pyright: ignore[reportArgumentType]
    reader.restart()
    read = await read_all(reader, log)
    assert (offsets(read, 0), offsets(read, 1)) == ([7, 8], [4, 5])


async def test_after_a_rebalance_old_positions_are_forgotten() -> None:
    log = Log({ZERO: 4, ONE: 0}, {(ZERO, 3)})
    reader = Reader(log)  # pyright: ignore[reportArgumentType]
    log.lengths[ZERO] = 1
    assert offsets(await read_all(reader, log), 0) == [0]
    reader.restart()
    log.commits, log.lengths = {ZERO: 2}, {ZERO: 4, ONE: 0}
    log.position[ZERO] = 2
    assert offsets(await read_all(reader, log), 0) == [2, 3]


def test_a_null_in_a_header_is_empty() -> None:
    message = from_record(record(0, headers=[("a", None), ("b", b"x")]))
    assert message.headers == (("a", b""), ("b", b"x"))
    assert message.header("a") == ""


def test_the_last_header_of_a_name_counts_and_must_be_utf8() -> None:
    message = from_record(record(0, headers=[("a", b"1"), ("a", b"2"), ("b", b"\xff")]))
    assert message.header("a") == "2"
    assert message.header("b") is None
    assert message.header("c") is None
