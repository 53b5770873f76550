import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, OutOfOrderSequenceNumber

from shared.kafka.backlog import MAX_VALUE
from shared.kafka.publisher import Publisher


class Fake:
    """A broker of three partitions; it is away while `up` is not set, and raises what is in `errors` first."""

    def __init__(self) -> None:
        self.topic: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
        self.errors: list[Exception] = []
        self.up = asyncio.Event()
        self.opened = 0

    async def partitions(self) -> Sequence[int]:
        return sorted(self.topic)

    async def open(self, partition: int) -> "FakeLink":
        self.opened += 1
        return FakeLink(self, partition)


class FakeLink:
    def __init__(self, broker: Fake, partition: int) -> None:
        self.broker, self.partition, self.poisoned = broker, partition, False

    async def send(self, values: Sequence[bytes]) -> None:
        await self.broker.up.wait()
        if self.broker.errors or self.poisoned:
            self.poisoned = True  # as an idempotent producer after an error: it never recovers
            raise self.broker.errors.pop() if self.broker.errors else OutOfOrderSequenceNumber()
        self.broker.topic[self.partition] += values

    async def close(self) -> None: ...


@pytest.fixture
async def broker() -> Fake:
    return Fake()


@pytest.fixture
async def publisher(broker: Fake, tmp_path: Path) -> AsyncIterator[Publisher]:
    publisher = Publisher("", "t", tmp_path / "t.spool", 1_000, broker=broker)
    await publisher.start()
    yield publisher
    await publisher.stop(0)


def _numbers(values: Sequence[bytes]) -> list[int]:
    return [int(value) for value in values]


def _published(broker: Fake) -> list[int]:
    return sorted(number for values in broker.topic.values() for number in _numbers(values))


def _assert_order(broker: Fake) -> None:
    for values in broker.topic.values():
        assert _numbers(values) == sorted(_numbers(values))


def _assert_all_accounted(publisher: Publisher) -> None:
    backlog = publisher.backlog
    left = backlog.memory_rows + backlog.spool_rows
    assert backlog.rows["enqueued"] + backlog.rows["recovered"] == (
        backlog.rows["acknowledged"] + backlog.rows["dropped"] + left
    )


async def test_messages_spread_over_the_partitions_one_after_the_other(broker: Fake, publisher: Publisher) -> None:
    broker.up.set()
    for n in range(9):
        await asyncio.sleep(0.001)
        publisher.enqueue(b"%d" % n, 1)
    await publisher.stop()
    assert [_numbers(values) for values in broker.topic.values()] == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    assert publisher.backlog.rows["acknowledged"] == 9


async def test_enqueue_does_not_wait_for_a_broker_that_is_away(broker: Fake, publisher: Publisher) -> None:
    for n in range(1_000):
        publisher.enqueue(b"%d" % n, 2)
    assert publisher.backlog.rows == {"enqueued": 2_000, "recovered": 0, "spooled": publisher.backlog.rows["spooled"]}
    _assert_all_accounted(publisher)
    broker.up.set()
    await publisher.stop()
    assert _published(broker) == list(range(1_000))
    _assert_order(broker)
    _assert_all_accounted(publisher)


async def test_memory_stays_within_the_bound_and_the_rest_is_on_disk(
    broker: Fake, publisher: Publisher, tmp_path: Path
) -> None:
    for n in range(500):
        await asyncio.sleep(0)
        publisher.enqueue(b"%010d" % n, 1)
    assert publisher.backlog.memory_rows == 100  # 1,000 bytes
    assert publisher.backlog.spool_rows == 400
    assert publisher.backlog.rows["spooled"] == 400
    assert (tmp_path / "t.spool").stat().st_size > 4_000


async def test_later_messages_go_behind_those_in_the_spool(broker: Fake, publisher: Publisher) -> None:
    for n in range(300):
        publisher.enqueue(b"%010d" % n, 1)
    broker.up.set()
    for n in range(300, 600):  # while it drains
        publisher.enqueue(b"%010d" % n, 1)
        await asyncio.sleep(0)
    await publisher.stop()
    assert _published(broker) == list(range(600))
    _assert_order(broker)


@pytest.mark.parametrize(
    "error", [OutOfOrderSequenceNumber(), KafkaConnectionError(), AssertionError("aiokafka's own")]
)
async def test_a_failed_producer_is_rebuilt_and_its_batch_sent_again(
    broker: Fake, publisher: Publisher, error: Exception
) -> None:
    broker.errors = [error]
    for n in range(10):
        publisher.enqueue(b"%d" % n, 1)
    broker.up.set()
    await publisher.stop()
    assert _published(broker) == list(range(10))
    assert broker.opened == 2
    _assert_order(broker)


async def test_only_the_message_that_the_broker_refuses_is_dropped_and_counted(
    broker: Fake, publisher: Publisher
) -> None:
    broker.errors = [MessageSizeTooLargeError() for _ in range(4)]  # halves of 8, 4, 2 and then the first alone
    for n in range(8):
        publisher.enqueue(b"%d" % n, 1)
    broker.up.set()
    await publisher.stop(10)
    assert _published(broker) == list(range(1, 8))
    assert publisher.backlog.rows["dropped"] == 1
    _assert_all_accounted(publisher)


async def test_a_message_too_large_for_any_broker_is_dropped_and_counted(broker: Fake, publisher: Publisher) -> None:
    broker.up.set()
    publisher.enqueue(bytes(MAX_VALUE + 1), 7)
    publisher.enqueue(b"1", 1)
    await publisher.stop()
    assert _published(broker) == [1]
    assert publisher.backlog.rows["dropped"] == 7


@pytest.mark.parametrize(("messages", "dropped"), [(150, 0), (200, 36)])  # memory holds 100, 64 wait for room on disk
async def test_what_a_full_disk_has_no_room_for_waits_and_beyond_a_bound_is_dropped_and_counted(
    broker: Fake, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, messages: int, dropped: int
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    for n in range(messages):
        publisher.enqueue(b"%010d" % n, 3)
    assert publisher.backlog.full
    monkeypatch.undo()
    assert publisher.backlog.rows["dropped"] == 3 * dropped
    broker.up.set()
    await publisher.stop()
    assert publisher.full is False
    assert _published(broker) == list(range(messages - dropped))
    _assert_order(broker)
    _assert_all_accounted(publisher)


async def test_what_a_stop_can_not_deliver_goes_first_at_the_next_start(broker: Fake, tmp_path: Path) -> None:
    first = Publisher("", "t", tmp_path / "t.spool", 1_000, broker=broker)
    await first.start()
    for n in range(200):
        first.enqueue(b"%010d" % n, 1)
    await asyncio.sleep(0.01)  # some are out for delivery by now
    await first.stop(0.05)
    second = Publisher("", "t", tmp_path / "t.spool", 1_000, broker=broker)
    await second.start()
    second.enqueue(b"%010d" % 200, 1)
    assert second.backlog.rows["recovered"] == 200
    broker.up.set()
    await second.stop()
    assert _published(broker) == list(range(201))
    _assert_order(broker)
    assert (tmp_path / "t.spool").stat().st_size < 100


async def test_acknowledged_messages_of_the_spool_do_not_come_again_after_a_crash(
    broker: Fake, publisher: Publisher, tmp_path: Path
) -> None:
    for n in range(400):
        publisher.enqueue(b"%010d" % n, 1)
    broker.up.set()
    async with asyncio.timeout(5):
        while publisher.backlog.rows["acknowledged"] < 250:  # noqa: ASYNC110  # looks on, turn by turn
            await asyncio.sleep(0)
    (tmp_path / "crashed.spool").write_bytes((tmp_path / "t.spool").read_bytes())
    seen = set(_published(broker))
    again = Publisher("", "t", tmp_path / "crashed.spool", 1_000, broker=broker)
    await again.start()
    recovered = again.backlog.rows["recovered"]
    await again.stop()
    assert 400 - len(seen) <= recovered <= 400 - 250 + 3  # at most what was out for delivery


async def test_who_wants_to_know_is_told_when_a_message_is_safe_or_dropped(broker: Fake, publisher: Publisher) -> None:
    told: list[tuple[str, bool]] = []
    publisher.enqueue(b"1", 1, lambda safe: told.append(("memory", safe)))
    publisher.enqueue(bytes(MAX_VALUE + 1), 1, lambda safe: told.append(("too large", safe)))
    await asyncio.sleep(0.02)
    assert told == [("too large", False)]
    broker.up.set()
    await asyncio.sleep(0.05)
    assert told == [("too large", False), ("memory", True)]


async def test_what_goes_to_disk_is_safe_there_and_a_full_spool_says_so(broker: Fake, tmp_path: Path) -> None:
    publisher = Publisher("", "t", tmp_path / "s.spool", 100, spool_bound=1_000, broker=broker)
    await publisher.start()
    told: list[bool] = []
    publisher.enqueue(bytes(90), 1)  # the memory holds one
    room: list[bool] = []
    for _ in range(11):
        room.append(not publisher.full)
        publisher.enqueue(bytes(90), 1, told.append)
    assert told == [True] * 11  # more is taken, but whoever asks is told
    assert room == [True] * 10 + [False]
    broker.up.set()
    async with asyncio.timeout(5):
        while publisher.backlog.spool_rows:  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.01)
    room.append(not publisher.full)
    assert room[-1]
    await publisher.stop(1)
