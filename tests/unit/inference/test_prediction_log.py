"""Rows are gathered for a moment and handed over as messages that Kafka takes."""

import asyncio
from dataclasses import replace

import numpy as np

from services.inference.domain.answered import Answered, Source
from services.inference.store.predictions import GatherPolicy, PredictionLog
from shared.batch import PredictionBatch, decode_batch, encode_batch
from shared.features import Rows
from shared.kafka.backlog import Settled

FIRST = Source("small", "1" * 64, "d" * 64, "champion")
TRACE, OTHER = (f"00-4bf92f3577b34da6a3ce929d0e0e473{n}-00f067aa0ba902b7-01" for n in (6, 7))
SECOND = Source("small", "2" * 64, "d" * 64, "champion")


def answered(key: int, rows: int = 1, seen: int = 0, features: int = 2, entity: str | None = None) -> Answered:
    return Answered(
        keys=[key.to_bytes(16, "big")],
        counts=[rows],
        seen=[seen],
        seconds=[(100 + key) / 1e6],
        entities=[entity],
        event_times=[int(np.datetime64("2013-03-15T16:00", "us").astype(int))],
        rows=Rows(np.full((rows, features), key, np.float32), np.zeros((rows, 1), np.int32)),
        scores=np.full((rows, 1), 0.5, np.float32),
    )


class Kafka:
    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.waiting: list[Settled] = []

    def enqueue(self, value: bytes, rows: int, settled: Settled | None = None) -> None:
        assert rows == len(decode_batch(value))
        self.values.append(value)
        if settled is not None:
            self.waiting.append(settled)

    @property
    def batches(self) -> list[PredictionBatch]:
        return [decode_batch(value) for value in self.values]


def keys(batch: PredictionBatch) -> list[int]:
    return [int.from_bytes(key, "big") for key in batch.request_id]


async def test_rows_that_come_within_the_time_share_a_message() -> None:
    kafka = Kafka()
    log = PredictionLog(kafka.enqueue, "p", GatherPolicy(0.02, 4_096))
    for key in range(3):
        log.add(FIRST, answered(key, rows=2, seen=key % 2))
    assert kafka.values == []
    await asyncio.sleep(0.05)
    log.add(FIRST, answered(3))
    await asyncio.sleep(0.05)
    first, second = kafka.batches
    assert (keys(first), keys(second)) == ([0, 0, 1, 1, 2, 2], [3])
    assert first.row.tolist() == [0, 1] * 3
    assert first.repeat.tolist() == [False, False, True, False, False, False]
    assert first.latency_us.tolist() == [100, 100, 101, 101, 102, 102]
    assert first.rows.numeric[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert [(batch.meta.sequence, batch.meta.rows_so_far) for batch in (first, second)] == [(0, 6), (1, 7)]


async def test_a_full_message_does_not_wait_for_the_time() -> None:
    kafka = Kafka()
    log = PredictionLog(kafka.enqueue, "p", GatherPolicy(60, 10))
    for key in range(25):
        log.add(FIRST, answered(key))
    assert [len(batch) for batch in kafka.batches] == [10, 10]
    log.flush()
    assert [len(batch) for batch in kafka.batches] == [10, 10, 5]
    log.flush()
    assert len(kafka.values) == 3


async def test_each_digest_has_messages_of_its_own_with_one_count_for_all() -> None:
    kafka = Kafka()
    log = PredictionLog(kafka.enqueue, "p", GatherPolicy(60, 4_096))
    for key in range(6):
        log.add(SECOND if key % 2 else FIRST, answered(key))
    log.flush()
    assert [(batch.meta.digest[0], keys(batch)) for batch in kafka.batches] == [("1", [0, 2, 4]), ("2", [1, 3, 5])]
    assert [(batch.meta.sequence, batch.meta.rows_so_far) for batch in kafka.batches] == [(0, 3), (1, 6)]


async def test_wide_rows_are_cut_into_messages_that_kafka_takes() -> None:
    kafka = Kafka()
    log = PredictionLog(kafka.enqueue, "p", GatherPolicy(60, 4_096))
    log.add(FIRST, answered(1, rows=3_000, features=500, entity="ü" * 256))
    log.flush()
    assert sum(len(batch) for batch in kafka.batches) == 3_000
    assert len(kafka.batches) > 1
    assert max(map(len, kafka.values)) < 1_000_000
    assert np.concatenate([batch.row for batch in kafka.batches]).tolist() == list(range(3_000))


def test_a_message_of_many_short_rows_stays_below_the_limit_too() -> None:
    kafka = Kafka()
    log = PredictionLog(kafka.enqueue, "p", GatherPolicy(60, 100_000))
    asyncio.run(_add_many(log))
    assert max(map(len, kafka.values)) < 1_000_000
    assert encode_batch(kafka.batches[0]) == kafka.values[0]


async def _add_many(log: PredictionLog) -> None:
    log.add(FIRST, answered(1, rows=60_000, features=0))
    log.flush()


async def test_rows_of_traced_requests_tell_their_trace_and_the_others_none() -> None:
    kafka = Kafka()
    log = PredictionLog(kafka.enqueue, "p", GatherPolicy(60, 4_096))
    log.add(FIRST, replace(answered(1, rows=2), traces=[TRACE]))
    log.add(FIRST, answered(2, rows=2))
    log.add(FIRST, replace(answered(3, rows=2), traces=[OTHER]))
    log.flush()
    log.add(FIRST, answered(4))
    log.flush()
    assert [batch.traceparent for batch in kafka.batches] == [[TRACE, TRACE, None, None, OTHER, OTHER], None]


async def test_many_short_rows_with_traces_stay_below_the_limit_too() -> None:
    kafka = Kafka()
    log = PredictionLog(kafka.enqueue, "p", GatherPolicy(60, 100_000))
    log.add(FIRST, replace(answered(1, rows=60_000, features=0), traces=[TRACE]))
    log.flush()
    assert max(map(len, kafka.values)) < 1_000_000
    assert sum(len(batch.traceparent or ()) for batch in kafka.batches) == 60_000


async def test_rows_are_safe_when_all_of_their_messages_are() -> None:
    kafka = Kafka()
    log = PredictionLog(kafka.enqueue, "p", GatherPolicy(60, 10))
    told: list[tuple[str, bool]] = []
    log.add(FIRST, answered(1, rows=4), lambda safe: told.append(("a", safe)))
    log.add(FIRST, answered(2, rows=8), lambda safe: told.append(("b", safe)))
    assert len(kafka.waiting) == 2
    kafka.waiting[0](True)
    assert told == []
    kafka.waiting[1](False)
    assert told == [("a", False), ("b", False)]
