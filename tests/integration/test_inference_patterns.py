"""The other ways to a model on a real Kafka: the embedded scorer, and topic to topic."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio

from services.inference import LoggedScorer, Scorer
from services.inference.batch.job import Job, run_job
from services.inference.batch.progress import Bar
from shared.batch import request_key
from shared.features import Float32
from shared.kafka.admin import DEAD_LETTERS, REQUESTS, SCORES
from shared.kafka.message import InMessage, OutMessage
from shared.kafka.producer import Producer
from tests.bundles import definition_text, deployment, make_bundle
from tests.integration.inference_service import (
    Broker,
    read_predictions,
    read_topic,
    running_broker,
    running_inference,
    send,
)
from tests.unit.inference.test_scorer import table

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
    columns: dict[str, Any] = {"temp": np.arange(100.0), "wind": np.ones(100), "carrier": ["DL"] * 100}
    named = {**columns, "order": [f"o-{n}" for n in range(100)], "at": times, "who": np.arange(100)}

    def pipeline() -> Float32:
        spool = state / "pipeline.spool"
        with LoggedScorer(scorer, broker.address, spool, id="order", event_time="at", entity="who") as logged:
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


def body(rows: pa.Table, request_id: str | None) -> dict[str, Any]:
    kinds = {"temp": "FP32", "wind": "FP32", "carrier": "BYTES"}
    inputs = [
        {"name": name, "datatype": kind, "shape": [len(rows)], "data": rows[name].to_pylist()}
        for name, kind in kinds.items()
    ]
    return {"inputs": inputs} if request_id is None else {"id": request_id, "inputs": inputs}


def asking(value: bytes, model: str | None = "asked", key: bytes | None = None, trace: str = "") -> OutMessage:
    told = {"driftline-model": model or "", "traceparent": trace}
    return OutMessage(REQUESTS, value, key, tuple((name, text.encode()) for name, text in told.items() if text))


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01"
TOPIC = {"DRIFTLINE_TOPIC_REQUESTS": "1", "DRIFTLINE_INSTANCE": "one"}


async def answers(kafka: str, wanted: Callable[[list[InMessage]], bool], seconds: float = 40) -> list[InMessage]:
    """All answers there are, once they are as wanted."""
    async with asyncio.timeout(seconds):
        while not wanted(found := await read_topic(kafka, SCORES)):  # noqa: ASYNC110  # it comes true in another process
            await asyncio.sleep(0.2)
    return found


def ids(found: list[InMessage]) -> Counter[str | None]:
    return Counter(message.header("driftline-id") for message in found)


async def test_rest_files_and_topic_give_the_same_bits(state: Path, broker: Broker) -> None:
    digest = make_bundle(state, definition_text("asked"))
    await send(broker.address, deployment(state, digest, model="asked"))
    rows = table()
    requests = [
        asking(orjson.dumps(body(rows[at : at + 10], f"t-{at}")), key=b"%d" % at, trace=TRACE % (at + 1))
        for at in range(0, 1_000, 10)
    ]
    scorer = Scorer.open(state / "bundles", digest, state / "trust")
    pq.write_table(rows, state / "rows.parquet", row_group_size=300)
    run_job(scorer, Job(state / "rows.parquet", state / "scores.parquet"), Bar(sys.stderr))
    by_rest: list[float] = []
    async with running_inference(
        state, broker.address, DRIFTLINE_TOPIC_REQUESTS="1", DRIFTLINE_INSTANCE="one"
    ) as service:
        await send(broker.address, *requests)
        for at in range(0, 1_000, 8):
            trace = {"traceparent": TRACE % (2_000 + at)} if at % 16 else {}  # one half goes by the express lane
            answer = await service.client.post(
                "/v2/models/asked/infer", json=body(rows[at : at + 8], None), headers=trace
            )
            by_rest += answer.json()["outputs"][1]["data"][1::2]
        found = await answers(broker.address, lambda each: len(ids(each)) == 100)
        logged = await read_predictions(broker.address, 2_000, "asked")
    told = {message.key: orjson.loads(message.value or b"") for message in found}
    by_topic = [score for at in range(0, 1_000, 10) for score in told[b"%d" % at]["outputs"][1]["data"][1::2]]
    by_file = pq.read_table(state / "scores.parquet")["score"].to_numpy()
    assert by_file.tobytes() == np.array(by_rest, np.float32).tobytes() == np.array(by_topic, np.float32).tobytes()
    assert all(told[b"%d" % at]["id"] == f"t-{at}" for at in range(0, 1_000, 10))
    assert {message.header("driftline-status") for message in found} == {"200"}
    traces = [trace for part in logged.values() for batch in part for trace in batch.traceparent or [None] * len(batch)]
    rest, none = {TRACE % (2_000 + at): 8 for at in range(8, 1_000, 16)}, {None: 8 * 63}
    assert Counter(traces) == {TRACE % (at + 1): 10 for at in range(0, 1_000, 10)} | rest | none
    assert all(message.header("traceparent") == TRACE % (int(message.key or b"") + 1) for message in found)


async def test_what_can_not_be_read_is_buried_and_answered(state: Path, broker: Broker) -> None:
    before = len(await read_topic(broker.address, DEAD_LETTERS))
    good = body(table(1), "wrong")
    whole, without = orjson.dumps(good), orjson.dumps({**good, "inputs": good["inputs"][1:]})
    wrong = [
        asking(b"{", key=b"w json"),
        asking(without, key=b"w input"),
        asking(whole, None, key=b"w no model"),
        asking(whole, "nobody", key=b"w unknown"),
        asking(orjson.dumps(body(table(1), None)), key=b"w no id"),
        *[asking(whole, key=b"w mended")] * 2,
    ]
    async with running_inference(state, broker.address, **TOPIC) as service:
        await send(broker.address, *wrong)

        def all_answered(found: list[InMessage]) -> bool:
            return len(about(found)) == 6

        try:
            found = about(await answers(broker.address, all_answered))
        except TimeoutError:
            raise AssertionError(service.said()) from None
        buried = (await read_topic(broker.address, DEAD_LETTERS))[before:]
    status = {key: message.header("driftline-status") for key, message in found.items()}
    assert status == {
        b"w json": "400",
        b"w input": "400",
        b"w no model": "400",
        b"w unknown": "404",
        b"w no id": "200",
        b"w mended": "200",
    }
    told = orjson.loads(found[b"w input"].value or b"")
    assert (told["id"], "temp" in told["error"]) == ("wrong", True)
    assert sorted(message.value or b"" for message in buried) == sorted([b"{", without, whole])


def about(found: list[InMessage]) -> dict[bytes, InMessage]:
    """The answers to what is wrong, by key."""
    return {message.key: message for message in found if message.key and message.key.startswith(b"w ")}


async def test_killed_in_the_middle_each_id_is_answered_once(state: Path, broker: Broker) -> None:
    row = table(1)
    requests = [asking(orjson.dumps(body(row, f"k-{number}")), key=b"%d" % number) for number in range(6_000)]
    producer = Producer(broker.address, "client")
    await producer.start()

    async def ask() -> None:
        for start in range(0, 6_000, 50):
            await producer.send(requests[start : start + 50])
            await asyncio.sleep(0.02)

    async with running_inference(state, broker.address, **TOPIC) as service:
        sending = asyncio.create_task(ask())
        for _ in range(3):
            await asyncio.sleep(0.6)
            await service.end(signal.SIGKILL)
            await service.start()
        await sending
        await producer.send(requests[:200])  # and a client asks the same again
        wanted = {f"k-{number}" for number in range(6_000)}
        found = await answers(broker.address, lambda each: wanted <= ids(each).keys())
        await asyncio.sleep(1.5)
        found = await read_topic(broker.address, SCORES)
    await producer.stop()
    counted = ids(found)
    assert {each for each in wanted if counted[each] != 1} == set()
