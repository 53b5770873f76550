"""Labels by driftline.outcomes into the real drift_detection on a real Kafka, which is killed meanwhile."""

import asyncio
import signal
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

import numpy as np
from aiokafka import AIOKafkaProducer
from numpy.typing import NDArray

from services.drift_detection.domain.performance.lags import total
from services.drift_detection.domain.performance.outcomes import Scorer, WindowOutcomes
from shared.batch import Meta, encode_batch
from shared.events import DriftDetected, Event, PerformanceEstimated, PerformanceMeasured
from shared.features import Float32
from shared.kafka.admin import DEAD_LETTERS, OUTCOMES, PREDICTIONS
from shared.outcomes import OutcomeBatch, encode_outcomes
from shared.reference import Reference, build_reference
from shared.reference.panes import time_of
from tests.integration.drift_service import Service, broker_and_producer, events, make_bundle, read_all
from tests.unit.drift_detection.pumps import (
    DEFINITION,
    HOUR,
    ROWS_PER_HOUR,
    SITES,
    START,
    batch,
    definition,
    hours,
)

Float64 = NDArray[np.float64]
FIRST = int(START.astype(np.int64))
HOURS, CHANGE = 44, 30  # from that hour on most labels are the other way round, whatever the features say
PER_MESSAGE = 10
PARTITIONS = 3
Message = tuple[int, str, int, bytes]  # when, topic, partition, value


def scored(first: int, count: int, changed: int | None = None) -> tuple[Float32, Float64]:
    """Scores float32 [n, 1] that mean what they say, and labels float64 [n]."""
    scores, labels = [], []
    for hour in range(first, first + count):
        random = np.random.default_rng(70_000 + hour)
        chance = random.beta(0.5, 0.5, ROWS_PER_HOUR)
        turned = random.random(ROWS_PER_HOUR) < (0.7 if changed is not None and hour >= changed else 0)
        scores.append(chance[:, None].astype(np.float32))
        labels.append(((random.random(ROWS_PER_HOUR) < chance) != turned).astype(np.float64))
    return np.concatenate(scores), np.concatenate(labels)


@cache
def reference() -> Reference:
    times, rows, _ = hours(-480, 480)
    scores, labels = scored(-480, 480)
    return build_reference(rows, times, scores, definition(), {"site": SITES}, labels=labels)


def outcomes(digest: str) -> OutcomeBatch:
    """All labels, one of ten wrong and mended an hour later; and one by which all windows are over."""
    times, _, _ = hours(0, HOURS)
    scores, labels = scored(0, HOURS, CHANGE)
    random = np.random.default_rng(1)
    wrong = random.random(len(labels)) < 0.1
    lag = (np.minimum(random.exponential(0.3, len(labels)), 1.5) * HOUR).astype("timedelta64[us]")
    an_hour = np.timedelta64(HOUR, "us")
    which = np.arange(len(times))
    which = np.concatenate([which, which[wrong], which[-1:]])
    event_time, count, message = times[which], len(which), which // PER_MESSAGE
    return OutcomeBatch(
        meta=Meta("pumps", digest, definition().digest, "champion", "driftline.labels/0", 0, count),
        request_id=[bytes(16)] * count,
        row=np.arange(count, dtype=np.int32),
        event_time=event_time,
        label=np.concatenate([np.where(wrong, 1 - labels, labels), labels[wrong], [1.0]]),
        label_time=np.concatenate([times + lag, times[wrong] + lag[wrong] + an_hour, times[-1:] + 5 * an_hour]),
        business=np.arange(count) == count - 1,
        replaced=np.concatenate([np.full(len(labels), np.nan), 1 - labels[wrong], [np.nan]]),
        scores=scores[which],
        source_partition=(message % PARTITIONS).astype(np.int32),
        source_offset=message // PARTITIONS,
    )


def part(all_of_them: OutcomeBatch, chosen: NDArray[np.int64], source: int, sequence: int) -> OutcomeBatch:
    meta = all_of_them.meta
    about = Meta(meta.model, meta.digest, meta.definition_digest, "champion", f"driftline.labels/{source}", sequence, 9)
    cut = {name: value[chosen] for name, value in vars(all_of_them).items() if isinstance(value, np.ndarray)}
    return OutcomeBatch(meta=about, request_id=[bytes(16)] * len(chosen), **cut)


def labels_sent(everything: OutcomeBatch) -> list[Message]:
    """In the order in which they come true, over the partitions; each fifth message is sent again later on."""
    sent: list[Message] = []
    owner = np.arange(len(everything)) % PARTITIONS
    corrections = np.flatnonzero(everything.correction)
    owner[np.isin(everything.event_time, everything.event_time[corrections])] = 0  # by the same way as what they mend
    for source in range(PARTITIONS):
        mine = np.flatnonzero(owner == source)
        mine = mine[np.argsort(everything.label_time[mine], kind="stable")]
        for sequence, start in enumerate(range(0, len(mine), PER_MESSAGE)):
            chosen = mine[start : start + PER_MESSAGE]
            value = encode_outcomes(part(everything, chosen, source, sequence))
            when = int(everything.label_time[chosen].max().astype(np.int64))
            sent.append((when, OUTCOMES, source, value))
            if sequence % 5 == 4:
                sent.append((when + HOUR, OUTCOMES, source, value))
    return sent


def predictions_sent(digest: str) -> list[Message]:
    times, rows, _ = hours(0, HOURS)
    scores, _ = scored(0, HOURS)
    sent: list[Message] = []
    for number, start in enumerate(range(0, len(times), PER_MESSAGE)):
        chosen = slice(start, start + PER_MESSAGE)
        value = encode_batch(batch(digest, times[chosen], rows[chosen], scores[chosen]))
        sent.append((int(times[chosen].max().astype(np.int64)), PREDICTIONS, number % PARTITIONS, value))
    return sent


async def send(producer: AIOKafkaProducer, messages: Sequence[Message], pause: float) -> None:
    for _, topic, partition, value in sorted(messages):
        await producer.send_and_wait(topic, value, partition=partition)
        await asyncio.sleep(pause)


def last_words(said: Sequence[Event]) -> list[PerformanceMeasured]:
    """The last word on each window, by start; no two of one id differ."""
    by_id: dict[str, Event] = {}
    last: dict[int, PerformanceMeasured] = {}
    for event in said:
        assert by_id.setdefault(event.id, event) == event
        if isinstance(event, PerformanceMeasured):
            start = time_of(event.start)
            if start not in last or last[start].revision < event.revision:
                last[start] = event
    return [last[start] for start in sorted(last)]


def assert_equal_to_offline(words: Sequence[PerformanceMeasured], everything: OutcomeBatch) -> None:
    """Each window's labels, corrected, are those of all rows at once."""
    calibration = reference().calibration
    assert calibration is not None
    scorer, starts = Scorer(reference(), calibration), (everything.event_time.astype(np.int64) - FIRST) // HOUR
    for hour, word in enumerate(words):
        expected = WindowOutcomes()
        scorer.add(expected, everything, starts == hour)
        sums = total(expected.labels)
        assert sums is not None
        assert (time_of(word.start) - FIRST) // HOUR == hour
        assert (word.labelled, word.corrections, word.unfit) == (ROWS_PER_HOUR, expected.corrections, 0)
        assert word.metrics[1].realised == sums.sums[1] / 2**16 / sums.rows


async def until_final(kafka: str, windows: int) -> list[Event]:
    """All that was said, once so many windows have their last word; a killed service may say it twice."""
    final: set[datetime] = set()
    for _ in range(60):
        said = await events(kafka)
        final = {event.start for event in said if isinstance(event, PerformanceMeasured) and event.final}
        if len(final) >= windows:
            return said
        await asyncio.sleep(1)
    raise AssertionError(f"{len(final)} windows are final: {sorted(map(str, final))}")


async def test_last_words_on_labels_are_right_and_a_change_that_no_feature_shows_is_an_alarm(tmp_path: Path) -> None:
    digest = make_bundle(tmp_path, told=(DEFINITION.format(name="pumps"), reference()))
    everything = outcomes(digest)
    messages = predictions_sent(digest) + labels_sent(everything)
    async with broker_and_producer(tmp_path) as (kafka, producer):
        await producer.send_and_wait(OUTCOMES, b"no outcomes", partition=2)
        service = Service(tmp_path, kafka, DRIFTLINE_INSTANCE="only")
        await service.start()
        try:
            sending = asyncio.create_task(send(producer, messages, pause=0.02))
            for seconds in (2.5, 3.0):
                await asyncio.sleep(seconds)
                await service.end(signal.SIGKILL)
                await service.start()
            await sending
            said = await until_final(kafka, HOURS)
            words = last_words(said)
            assert [word.final for word in words] == [True] * HOURS
            assert {word.rows for word in words} == {ROWS_PER_HOUR}
            assert_equal_to_offline(words, everything)
            assert sum(bool(word.metrics[1].covered) for word in words[:CHANGE]) >= 0.8 * CHANGE
            assert sum(bool(word.metrics[1].covered) for word in words[CHANGE:]) <= 0.5 * (HOURS - CHANGE)
            estimated = {event.start for event in said if isinstance(event, PerformanceEstimated) and event.metrics}
            assert {word.start for word in words[:-1]} <= estimated
            alarms = [event for event in said if isinstance(event, DriftDetected)]
            assert len({event.incident_id for event in alarms}) == 1
            assert {(one.name, one.rule) for event in alarms for one in event.features} == {("risk", "risk")}
            assert CHANGE <= (time_of(alarms[0].start) - FIRST) // HOUR < CHANGE + 8
            letters = await read_all(kafka, DEAD_LETTERS)
            assert {(letter.header("driftline-topic"), letter.value) for letter in letters} == {
                (OUTCOMES, b"no outcomes")
            }
        finally:
            assert await service.end() == 0
