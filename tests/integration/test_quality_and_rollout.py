"""The real drift_detection on a real Kafka says what is wrong with the data, and that a shadow is worse."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np

from shared.batch import PredictionBatch, encode_batch
from shared.definition import parse_definition
from shared.events import DataQualityReported, Event, RolloutCompared
from shared.kafka.admin import DEPLOYMENTS, PREDICTIONS
from shared.reference.panes import time_of
from tests.bundles import deployment
from tests.integration.drift_service import Service, broker_and_producer, events, make_bundle
from tests.unit.drift_detection.pumps import DEFINITION, HOUR, START, batch, hours, reference

FIRST = int(START.astype(np.int64))
SHADOW = DEFINITION.format(name="pumps").replace('owner = "tests"', 'owner = "others"')


def stream(champion: str, shadow: str) -> list[PredictionBatch]:
    """Hours 0 to 59 but 30 to 39; from 45 on a column is missing. A third of the shadow's scores are no numbers."""
    made: list[PredictionBatch] = []
    for hour in [*range(30), *range(40, 60)]:
        times, rows, scores = hours(hour, 1)
        if hour >= 45:
            rows.numeric[:, 1] = np.nan
        message = batch(champion, times, rows, scores)
        names: list[str | None] = [f"pump {hour * 30 + number}" for number in range(len(times))]
        message = replace(message, entity=names, meta=replace(message.meta, failed=()))
        broken = np.where(np.random.default_rng(hour).random(scores.shape) < 0.3, np.float32(np.nan), scores)
        definition = parse_definition(SHADOW).digest
        meta = replace(message.meta, digest=shadow, definition_digest=definition, role="shadow")
        made += [message, replace(message, meta=meta, scores=broken, champion_scores=scores)]
    wide = replace(made[-2], scores=np.zeros((len(made[-2]), 2), np.float32))
    return [*made[:-2], wide, *made[-2:], replace(batch(champion, *hours(61, 1)), entity=[None] * 30)]


async def until(kafka: str, service: Service, enough: Callable[[Sequence[Event]], bool]) -> list[Event]:
    said: list[Event] = []
    for _ in range(60):
        said = await events(kafka)
        if enough(said):
            return said
        await asyncio.sleep(0.5)
    raise AssertionError(f"{len(said)} events: {service.said()}")


def reports(said: Sequence[Event]) -> dict[int, DataQualityReported]:
    """The last on each window or silence, by the hour it starts."""
    found = [event for event in said if isinstance(event, DataQualityReported)]
    return {(time_of(event.start) - FIRST) // HOUR: event for event in sorted(found, key=lambda one: one.revision)}


def kinds(report: DataQualityReported) -> set[tuple[str | None, str]]:
    return {(one.feature, one.kind) for one in report.findings}


async def test_a_missing_column_a_silent_feed_refused_rows_and_a_worse_shadow_are_told(tmp_path: Path) -> None:
    champion = make_bundle(tmp_path)
    shadow = make_bundle(tmp_path, told=(SHADOW, reference()))
    async with broker_and_producer(tmp_path) as (kafka, producer):
        deployed = deployment(tmp_path, champion, 1, model="pumps", shadow=shadow)
        await producer.send_and_wait(DEPLOYMENTS, deployed.value, key=deployed.key, headers=list(deployed.headers))
        service = Service(tmp_path, kafka)
        async with service.running():
            for number, message in enumerate(stream(champion, shadow)):
                await producer.send_and_wait(PREDICTIONS, encode_batch(message), partition=number // 2 % 3)
            said = await until(kafka, service, lambda said: 59 in reports(said))
            found = reports(said)
            assert set(found) == {*range(31), *range(40, 60)}
            assert kinds(found[30]) == {(None, "silent")}
            assert found[30].end == found[40].start
            assert [hour for hour, one in found.items() if ("flow", "missing") in kinds(one)] == list(range(45, 60))
            assert [(one.reason, one.rows) for one in found[59].misfits] == [("width", 30)]

            words = [event for event in said if isinstance(event, RolloutCompared)]
            assert (words[0].verdict, words[-1].verdict) == ("not_yet", "worse")
            assert (words[-1].digest, words[-1].champion_digest, words[-1].role) == (shadow, champion, "shadow")
            assert words[-1].why.startswith("error is surely over its margin")

            told = (await service.get("/v1/progress")).json()["pumps"][champion]["champion"]
            assert 0 <= told["last_row_age_seconds"] < 60
            async with httpx.AsyncClient(timeout=30) as http:
                metrics = (await http.get(f"http://127.0.0.1:{service.port}/metrics")).text
            assert 'driftline_drift_last_row_age_seconds{model="pumps"}' in metrics
            assert await service.end() == 0
