"""The real drift_detection on a real Kafka: its windows are those of an offline recomputation, killed or not."""

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from aiokafka import AIOKafkaProducer

from shared.batch import PredictionBatch, decode_batch, encode_batch
from shared.events import DriftDetected, DriftResolved, DriftRetracted, Event, RowsTooLate
from shared.kafka.admin import DEAD_LETTERS, DEPLOYMENTS, PREDICTIONS
from shared.reference.panes import moment, time_of
from tests.bundles import deployment
from tests.integration.drift_service import Service, broker_and_producer, events, make_bundle, read_all
from tests.integration.kafka_helpers import send_unparsable
from tests.unit.drift_detection.offline import Offline, last_words
from tests.unit.drift_detection.pumps import HOUR, START, batch, hours, watched

FAULT = 40  # the hour from which on temp comes in another unit
PER_MESSAGE = 10
Message = tuple[int, PredictionBatch]


def stream(digest: str, count: int) -> list[Message]:
    """So many hours, the fault in them, over three partitions of which one lags an hour behind the others."""
    times, rows, scores = hours(0, count)
    rows.numeric[times >= START + np.timedelta64(FAULT * HOUR, "us"), 0] -= 80
    parts = [slice(first, first + PER_MESSAGE) for first in range(0, len(times), PER_MESSAGE)]
    messages = [(number % 3, batch(digest, times[part], rows[part], scores[part])) for number, part in enumerate(parts)]
    order = sorted(range(len(messages)), key=lambda number: number + (3 if number % 3 == 2 else 0))
    return [messages[number] for number in order]


async def send(producer: AIOKafkaProducer, messages: Sequence[Message], pause: float = 0) -> None:
    for partition, content in messages:
        await producer.send_and_wait(PREDICTIONS, encode_batch(content), partition=partition)
        await asyncio.sleep(pause)


def assert_equal_to_offline(said: Sequence[Event], messages: Sequence[Message], until: int) -> None:
    """All windows that end by `until` (microseconds) are there, and their last words are right."""
    Offline([content for _, content in messages], watched()).assert_said(said, until)


async def until_told(service: Service, digest: str, **expected: object) -> dict[str, object]:
    """Wait until `/v1/progress` tells these of the champion; all that it tells then."""
    told: dict[str, object] = {}
    seen = 0
    for _ in range(600):
        told = (await service.get("/v1/progress")).json().get("pumps", {}).get(digest, {}).get("champion", {})
        seen += expected.items() <= told.items()
        if seen > 15:  # the last window is told before the clock stands still, and something is still to be sent
            return told
        await asyncio.sleep(0.1)
    raise AssertionError(f"{told}, expected {expected}: {service.said()}")


async def send_rubbish(producer: AIOKafkaProducer, good: PredictionBatch) -> None:
    """What is no batch, and a batch of a bundle that nobody has."""
    await producer.send_and_wait(PREDICTIONS, b"no batch", partition=1)
    await send(producer, [(2, replace(good, meta=replace(good.meta, digest="f" * 64)))])


async def deploy(producer: AIOKafkaProducer, state: Path, digest: str, revision: int, signer: str) -> None:
    message = deployment(state, digest, revision, model="pumps", signer=signer)
    await producer.send_and_wait(DEPLOYMENTS, message.value, key=message.key, headers=list(message.headers))


def the_incident(said: Sequence[Event]) -> str:
    """The id of the one incident there is: the fault's."""
    [detected] = [event for event in said if isinstance(event, DriftDetected)]
    assert time_of(detected.start) == int(START.astype(np.int64)) + FAULT * HOUR
    assert [feature.name for feature in detected.features] == ["temp"]
    assert detected.severity == "major"
    return detected.incident_id


async def test_windows_and_one_incident_come_out_of_batches_and_a_new_champion_ends_it(tmp_path: Path) -> None:
    digest = make_bundle(tmp_path)
    messages = stream(digest, 48)
    newest = max(int(content.event_time.max().astype(np.int64)) for _, content in messages)
    async with broker_and_producer(tmp_path) as (kafka, producer):
        await send_rubbish(producer, messages[0][1])
        await deploy(producer, tmp_path, digest, 1, "governance")
        service = Service(tmp_path, kafka)
        async with service.running():
            await send(producer, messages)
            told = await until_told(service, digest, rows=48 * 30, windows=47)
            assert told["watermark"] == moment(newest).isoformat().replace("+00:00", "Z")
            said = await events(kafka)
            assert_equal_to_offline(said, messages, newest)
            incident = the_incident(said)
            assert [one["incident_id"] for one in (await service.get("/v1/incidents")).json()] == [incident]

            await deploy(producer, tmp_path, "e" * 64, 2, signer="operator")
            await deploy(producer, tmp_path, "d" * 64, 2, signer="governance")
            async with asyncio.timeout(60):
                while not any(isinstance(event, DriftResolved) for event in await events(kafka)):  # noqa: ASYNC110  # nobody tells
                    await asyncio.sleep(0.2)
            await asyncio.sleep(2)  # another would have come by then
            [resolved] = [event for event in await events(kafka) if isinstance(event, DriftResolved)]
            assert (resolved.incident_id, resolved.reason) == (incident, "champion_changed")
            buried = Counter(letter.header("driftline-topic") for letter in await read_all(kafka, DEAD_LETTERS))
            assert buried == {PREDICTIONS: 2, DEPLOYMENTS: 1}
            assert await service.end() == 0


async def test_killed_in_the_middle_its_last_words_are_those_of_an_offline_recomputation(tmp_path: Path) -> None:
    digest = make_bundle(tmp_path)
    messages = stream(digest, 72)
    newest = max(int(content.event_time.max().astype(np.int64)) for _, content in messages)
    async with broker_and_producer(tmp_path) as (kafka, producer):
        service = Service(tmp_path, kafka, DRIFTLINE_INSTANCE="only")
        await service.start()
        try:
            sending = asyncio.create_task(send(producer, messages, pause=0.08))
            for seconds in (1.3, 1.9):
                await asyncio.sleep(seconds)
                await service.end(signal.SIGKILL)
                await service.start()
            await sending
            await until_told(service, digest, rows=72 * 30, windows=71)
            said = await events(kafka)
            assert_equal_to_offline(said, messages, newest)
            detected = {event.incident_id for event in said if isinstance(event, DriftDetected)}
            retracted = {event.incident_id for event in said if isinstance(event, DriftRetracted)}
            assert len(detected - retracted) == 1
            assert await read_all(kafka, DEAD_LETTERS) == []
        finally:
            assert await service.end() == 0


async def test_records_that_can_not_be_parsed_become_dead_letters_and_all_others_are_counted_once(
    tmp_path: Path,
) -> None:
    digest = make_bundle(tmp_path)
    messages = stream(digest, 24)
    newest = max(int(content.event_time.max().astype(np.int64)) for _, content in messages)
    early, late = messages[:30], messages[30:]
    first = sum(partition == 0 for partition, _ in early)
    async with broker_and_producer(tmp_path) as (kafka, producer):
        await send(producer, early)
        await send_unparsable(kafka, PREDICTIONS)
        await send(producer, late[:10])
        service = Service(tmp_path, kafka)
        async with service.running():
            await send(producer, late[10:-10])
            await send_unparsable(kafka, PREDICTIONS)
            await send(producer, late[-10:])
            await until_told(service, digest, rows=24 * 30, windows=23)
            assert_equal_to_offline(await events(kafka), messages, newest)
            second = first + 1 + sum(partition == 0 for partition, _ in late[:-10])
            assert await buried(kafka) == [(PREDICTIONS, 0, first), (PREDICTIONS, 0, second)]
            assert await service.end() == 0


async def buried(kafka: str) -> list[tuple[str | None, int, int]]:
    """Where the dead-letters come from, each of which has a reason."""
    letters = await read_all(kafka, DEAD_LETTERS)
    assert all(letter.header("driftline-reason") for letter in letters)
    return [
        (
            letter.header("driftline-topic"),
            int(letter.header("driftline-partition") or -1),
            int(letter.header("driftline-offset") or -1),
        )
        for letter in letters
    ]


async def test_late_repeated_and_future_rows_are_told_apart(tmp_path: Path) -> None:
    digest = make_bundle(tmp_path)
    times, rows, scores = hours(0, 6)
    whole = batch(digest, times, rows, scores)
    early = slice(0, 5)
    almost_late = np.full(5, times.max() - np.timedelta64(HOUR - 1, "us"))
    in_time = batch(digest, almost_late, rows[-5:], scores[-5:])
    too_late = batch(digest, times[early], rows[early], scores[early])
    repeated = batch(digest, times[-5:], rows[-5:], scores[-5:], repeat=True)
    future = batch(digest, times[early] + np.timedelta64(3650, "D"), rows[early], scores[early])
    shadow = batch(digest, times[early], rows[early], scores[early], role="shadow")  # moves the model's clock, too
    async with broker_and_producer(tmp_path) as (kafka, producer):
        service = Service(tmp_path, kafka)
        async with service.running():
            await send(producer, [(0, part) for part in (shadow, whole, in_time, too_late, repeated, future)])
            await until_told(service, digest, rows=6 * 30 + 20, windows=5, repeats=5, too_late=5, future=5)
            said = await events(kafka)
            words = last_words(said).values()
            assert sum(word.rows for word in words if word.role == "champion") == 5 * 30 + 5
            assert sum(word.late_rows for word in words) == 5
            assert [word.rows for word in words if word.role == "shadow"] == [5]
            [missed] = [event for event in said if isinstance(event, RowsTooLate)]
            assert [(window.start, window.rows) for window in missed.windows] == [
                (moment(int(START.astype(np.int64))), 5)
            ]
            [letter] = await read_all(kafka, DEAD_LETTERS)
            assert (decode_batch(letter.value or b"").event_time == future.event_time).all()
            assert await service.end() == 0
