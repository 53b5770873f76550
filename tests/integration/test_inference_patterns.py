"""The other ways to a model on a real Kafka: the embedded scorer, and topic to topic."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from services.inference import LoggedScorer, Scorer
from shared.batch import request_key
from tests.bundles import definition_text, make_bundle
from tests.integration.inference_service import Broker, read_predictions, running_broker

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("patterns")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def broker(state: Path) -> AsyncIterator[Broker]:
    async with running_broker(state) as running:
        yield running


async def test_a_pipelines_rows_are_on_the_topic_when_it_has_their_scores(state: Path, broker: Broker) -> None:
    digest = make_bundle(state, definition_text("embedded"))
    scorer = Scorer.open(state / "bundles", digest, state / "trust")
    times = np.datetime64("2013-03-15T16:00", "us") + np.arange(100) * np.timedelta64(1, "m")
    columns = {"temp": np.arange(100.0), "wind": np.ones(100), "carrier": ["DL"] * 100}
    named = {**columns, "order": [f"o-{n}" for n in range(100)], "at": times, "who": np.arange(100)}

    def pipeline() -> np.ndarray:
        options = {"id": "order", "event_time": "at", "entity": "who"}
        with LoggedScorer(scorer, broker.address, state / "pipeline.spool", **options) as logged:
            logged.score({name: values[:60] for name, values in named.items()})
            scored = logged.score(named)
        return scored.scores

    scores = await asyncio.to_thread(pipeline)
    batches = [batch for part in (await read_predictions(broker.address, 160, "embedded")).values() for batch in part]
    assert sum(len(batch) for batch in batches) == 160
    assert sum(int(batch.repeat.sum()) for batch in batches) == 60
    rows = {
        batch.request_id[at]: (batch.entity[at], batch.event_time[at], batch.scores[at, 0])
        for batch in batches
        for at in range(len(batch))
    }
    for number in range(100):
        expected = (str(number), times[number], scores[number, 0])
        assert rows[request_key("embedded", f"o-{number}")] == expected
