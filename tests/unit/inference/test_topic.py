"""Topic to topic without a broker: what is answered, how often, and what is buried."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from services.inference.api.core import Core
from services.inference.api.topic import TopicRequests
from services.inference.domain.recent import RecentIds
from services.inference.models.catalogue import Catalogue, Served
from services.inference.models.loaded import LoadedModel
from services.inference.store.accounting import Accounting
from services.inference.store.predictions import GatherPolicy, PredictionLog
from shared.batch import decode_batch
from shared.kafka.admin import DEAD_LETTERS, SCORES
from shared.kafka.message import Headers, InMessage, OutMessage
from tests.unit.inference.harness import Kafka


def request(number: int) -> dict[str, Any]:
    columns = (("temp", "FP32", float(number)), ("wind", "FP32", 3.5), ("carrier", "BYTES", "DL"))
    inputs = [{"name": name, "datatype": kind, "shape": [1], "data": [value]} for name, kind, value in columns]
    return {"id": f"r-{number}", "inputs": inputs}


class Topic:
    """Requests as they come, at growing offsets; `answered` is what a predecessor left on the topic."""

    def __init__(self, model: LoadedModel, answered: Sequence[OutMessage] = ()) -> None:
        self.kafka, self.full, self.offset = Kafka(), False, 0
        catalogue = Catalogue()
        catalogue.publish(Served(model, "champion", 1))
        catalogue.awaits("late", "its bundle was refused")
        self.log = log = PredictionLog(self.kafka.enqueue, "test", GatherPolicy(60, 4_096))
        core = Core(Accounting(log, lambda: self.full), RecentIds(1_000), 256)
        self._answered = answered
        self.requests = TopicRequests(core, catalogue, self._last, 1_000)

    async def _last(self) -> list[InMessage]:
        return [InMessage(SCORES, 0, n, m.key, m.value, m.headers, 0) for n, m in enumerate(self._answered)]

    async def take(self, value: bytes, model: str | None = "small", offset: int | None = None, **more: str) -> None:
        told = more | ({"driftline-model": model} if model else {})
        headers: Headers = tuple((name, text.encode()) for name, text in told.items())
        self.offset += 1
        await self.requests.take(InMessage("r", 0, offset or self.offset, b"key", value, headers, 7))

    def traces(self) -> list[str | None]:
        """What the rows that were logged say of their traces."""
        self.log.flush()
        batches = map(decode_batch, self.kafka.values)
        return [trace for batch in batches for trace in batch.traceparent or [None] * len(batch)]

    async def answers(self) -> list[OutMessage]:
        return list(await self.requests.flush())


def status(message: OutMessage) -> str:
    return dict(message.headers)["driftline-status"].decode()


ONE, TWO = (orjson.dumps(request(number)) for number in (1, 2))


async def test_each_id_is_answered_once_with_the_same_key(small: LoadedModel) -> None:
    topic = Topic(small)
    for value in (ONE, TWO, ONE):
        await topic.take(value)
    answers = await topic.answers()
    assert [orjson.loads(each.value)["id"] for each in answers] == ["r-1", "r-2"]
    assert {(status(each), each.key) for each in answers} == {("200", b"key")}
    await topic.take(ONE)
    assert await topic.answers() == []


async def test_what_a_predecessor_answered_is_not_answered_again(small: LoadedModel) -> None:
    before = Topic(small)
    no_id = orjson.dumps({**request(3), "id": None})
    for value in (ONE, no_id, b"{"):
        await before.take(value)
    after = Topic(small, [each for each in await before.answers() if each.topic == SCORES])
    await after.requests.recall()
    for value in (ONE, no_id, b"{", TWO):
        await after.take(value)
    assert [orjson.loads(each.value)["id"] for each in await after.answers()] == ["r-2"]


async def test_a_request_that_was_wrong_may_be_mended_under_its_id(small: LoadedModel) -> None:
    topic = Topic(small)
    await topic.take(orjson.dumps({**request(1), "inputs": request(1)["inputs"][1:]}))
    await topic.take(ONE)
    wrong, buried, mended = await topic.answers()
    assert (status(wrong), buried.topic, status(mended)) == ("400", DEAD_LETTERS, "200")
    assert orjson.loads(wrong.value) == {"id": "r-1", "error": "inputs: an input for the feature 'temp'"}


@pytest.mark.parametrize(
    ("value", "model", "expected"),
    [(b"", "small", "400"), (b"[]", "small", "400"), (ONE, None, "400"), (ONE, "nobody", "404"), (ONE, "late", "503")],
)
async def test_there_is_always_an_answer(small: LoadedModel, value: bytes, model: str | None, expected: str) -> None:
    topic = Topic(small)
    await topic.take(value, model)
    answer, *buried = await topic.answers()
    assert (status(answer), len(buried)) == (expected, expected == "400")


async def test_the_body_may_say_the_model(small: LoadedModel) -> None:
    topic = Topic(small)
    await topic.take(orjson.dumps({**request(1), "model_name": "small"}), None)
    assert [status(each) for each in await topic.answers()] == ["200"]


async def test_while_the_log_is_full_requests_wait(small: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.inference.api.topic._PAUSE", 0.01)
    topic = Topic(small)
    topic.full = True
    await topic.take(ONE)

    asyncio.get_running_loop().call_later(0.1, lambda: setattr(topic, "full", False))
    assert [status(each) for each in await topic.answers()] == ["200"]
