"""inference on a real Kafka: what it logs, whom it believes, how it swaps and ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from services.inference.domain.routing import goes_to_canary
from services.inference.models.loaded import LoadedModel, load
from shared.batch import request_key
from shared.bundle import open_bundle
from shared.cloudevents import decode
from shared.events import LabelsReceived
from shared.kafka.admin import DEAD_LETTERS, DEPLOYMENTS, LABELS
from shared.kafka.message import OutMessage
from tests.bundles import definition_text, deployment, make_bundle
from tests.integration.inference_service import (
    Inference,
    Load,
    read_predictions,
    read_topic,
    request,
    running_broker,
    running_inference,
    send,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAMES = iter(f"model_{number}" for number in range(100))


@dataclass
class Model:
    """A model of this test alone: bundle `first` serves, `second` is in the store."""

    name: str
    first: str
    second: str
    state: Path

    def deployment(self, digest: str, revision: int, signer: str = "governance", **beside: Any) -> OutMessage:
        return deployment(self.state, digest, revision, model=self.name, signer=signer, **beside)

    def loaded(self, digest: str) -> LoadedModel:
        return load(open_bundle(self.state / "bundles", digest, self.state / "trust"))


@dataclass
class World:
    """A broker and inference, for all tests here."""

    state: Path
    kafka: str
    service: Inference

    async def ask(self, model: Model, number: int) -> dict[str, Any]:
        answer = await self.service.client.post(f"/v2/models/{model.name}/infer", json=request(number))
        assert answer.status_code == 200
        told: dict[str, Any] = answer.json()
        return told

    async def logged(self, model: Model, rows: int) -> list[tuple[bytes, str, float, float]]:
        """(request id, digest, temp, score) of every row of this model on the topic."""
        return [
            (batch.request_id[at], batch.meta.digest, float(batch.rows.numeric[at, 0]), float(batch.scores[at, 0]))
            for part in (await read_predictions(self.kafka, rows, model.name)).values()
            for batch in part
            for at in range(len(batch))
        ]


def score(answer: dict[str, Any]) -> float:
    """That of the first row, as the float32 that it is."""
    return float(np.float32(answer["outputs"][1]["data"][1]))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    state = tmp_path_factory.mktemp("inference")
    async with running_broker(state) as broker, running_inference(state, broker.address) as service:
        yield World(state, broker.address, service)


@pytest_asyncio.fixture(loop_scope="module")
async def model(world: World) -> Model:
    name = next(NAMES)
    first = make_bundle(world.state, definition_text(name))
    second = make_bundle(world.state, definition_text(name), "small_binary_b")
    found = Model(name, first, second, world.state)
    await send(world.kafka, found.deployment(first, 1))
    await world.service.until_it_serves(name, first)
    return found


async def test_without_any_deployment_it_is_ready_and_knows_no_model(world: World) -> None:
    assert (await world.service.client.get("/v2/health/ready")).json() == {"ready": True}
    assert (await world.service.client.get("/v1/models")).json() == []
    assert (await world.service.client.post("/v2/models/nobody/infer", json=request(1))).status_code == 404


async def test_a_swap_under_load_fails_no_request_and_each_answer_is_logged_once(world: World, model: Model) -> None:
    asking = Load(world.service, model.name)
    async with asking.going_on():
        await asyncio.sleep(1)
        await send(world.kafka, model.deployment(model.second, 2))
        await world.service.until_it_serves(model.name, model.second)
        await asyncio.sleep(1)
    assert asking.failed == []
    answered = [
        (request_key(model.name, answer["id"]), answer["model_version"], float(n), score(answer))
        for n, answer in asking.answers.items()
    ]
    versions = Counter(digest for _, digest, _, _ in answered)
    assert set(versions) == {model.first, model.second}
    assert min(versions.values()) > 10
    logged = await world.logged(model, len(answered))
    assert Counter(logged) == Counter(answered)
    for digest in versions:  # and the scores are those of the model that is named
        rows = [row for row in logged if row[1] == digest]
        loaded = model.loaded(digest)
        outputs = loaded.run(np.array([[row[2], 3.5, 1] for row in rows], dtype=np.float32))
        assert loaded.scores(outputs)[:, 0].tolist() == [row[3] for row in rows]


async def test_a_canary_takes_effect_within_2_s_of_its_event(world: World, model: Model) -> None:
    canary = {"digest": model.second, "share": 0.3}
    await send(world.kafka, model.deployment(model.first, 2, canary=canary, shadow=model.second, salt="salt"))

    async def the_canary_answers() -> bool:
        ours = next(number for number in range(100) if goes_to_canary("salt", f"N{number}", 0.3))
        return bool((await world.ask(model, ours))["model_version"] == model.second)

    await world.service.until(the_canary_answers, 2)
    asked = range(100, 200)
    answers = await asyncio.gather(*(world.ask(model, number) for number in asked))
    canarys = {number for number in asked if goes_to_canary("salt", f"N{number}", 0.3)}
    versions = {number: answer["model_version"] for number, answer in zip(asked, answers, strict=True)}
    assert {number for number, version in versions.items() if version == model.second} == canarys
    logged = await read_predictions(world.kafka, 200 - len(canarys), model.name)
    roles: dict[str, set[int]] = {"champion": set(), "canary": set(), "shadow": set()}
    for batch in (batch for part in logged.values() for batch in part):
        roles[batch.meta.role] |= set(map(int, batch.rows.numeric[:, 0])) & set(asked)
    assert roles == {"canary": canarys, "champion": set(asked) - canarys, "shadow": set(asked) - canarys}


async def test_what_governance_did_not_sign_deploys_nothing_and_is_buried(world: World, model: Model) -> None:
    before = len(await read_topic(world.kafka, DEAD_LETTERS))
    genuine = model.deployment(model.second, 9)
    stripped = OutMessage(genuine.topic, genuine.value, genuine.key, genuine.headers[:-2])
    changed = OutMessage(genuine.topic, genuine.value.replace(b":9,", b":8,"), genuine.key, genuine.headers)
    forged = model.deployment(model.second, 7, signer="feature_logging")
    garbage = OutMessage(DEPLOYMENTS, b"\xff\x00", model.name.encode())
    await send(world.kafka, stripped, changed, forged, garbage)

    async def all_buried() -> bool:
        return len(await read_topic(world.kafka, DEAD_LETTERS)) == before + 4

    await world.service.until(all_buried)
    buried = (await read_topic(world.kafka, DEAD_LETTERS))[before:]
    assert [message.value for message in buried] == [stripped.value, changed.value, forged.value, garbage.value]
    reasons = [message.header("driftline-reason") or "" for message in buried]
    assert all("signature" in reason or "signed by" in reason for reason in reasons)
    assert (await world.ask(model, 1))["model_version"] == model.first


async def test_an_older_revision_deploys_nothing(world: World, model: Model) -> None:
    await send(world.kafka, model.deployment(model.second, 5))
    await world.service.until_it_serves(model.name, model.second)
    await send(world.kafka, model.deployment(model.first, 4), model.deployment(model.first, 5))
    other = Model(next(NAMES), model.first, model.second, world.state)  # a mark: what came before it is read
    await send(world.kafka, OutMessage(DEPLOYMENTS, b"mark", other.name.encode()))

    async def mark_is_read() -> bool:
        return any(message.value == b"mark" for message in await read_topic(world.kafka, DEAD_LETTERS))

    await world.service.until(mark_is_read)
    assert (await world.ask(model, 1))["model_version"] == model.second


async def test_a_bundle_that_can_not_be_loaded_leaves_the_serving_one_in_place(world: World, model: Model) -> None:
    broken = world.state / "bundles" / model.second / "model.onnx"
    broken.write_bytes(broken.read_bytes() + b"x")
    await send(world.kafka, model.deployment(model.second, 2))

    async def refused() -> bool:
        return model.name in (await world.service.client.get("/ready")).json().get("details", {})

    await world.service.until(refused)
    ready = await world.service.client.get("/ready")
    assert ready.status_code == 200
    assert "digest" in ready.json()["details"][model.name]
    loads = f'driftline_model_loads_total{{model="{model.name}",outcome="%s"}}'
    assert await world.service.metric(loads % "refused") == 1
    assert (await world.ask(model, 1))["model_version"] == model.first
    await send(world.kafka, model.deployment(model.first, 3))  # governance goes back

    async def well_again() -> bool:
        return "details" not in (await world.service.client.get("/ready")).json()

    await world.service.until(well_again)


async def test_labels_are_accepted_when_kafka_has_them(world: World, model: Model) -> None:
    posts = [
        [{"request_id": f"r-{n}", "row": n, "value": 1.0, "event_time": f"2013-03-15T18:00:{n:02}Z"}] for n in range(50)
    ]
    path = f"/v1/models/{model.name}/labels"
    answers = await asyncio.gather(*(world.service.client.post(path, json=post) for post in posts))
    assert {answer.status_code for answer in answers} == {202}
    events = [decode(message) for message in await read_topic(world.kafka, LABELS)]
    received = [event for event in events if isinstance(event, LabelsReceived) and event.model == model.name]
    assert sorted(label.row for event in received for label in event.labels) == list(range(50))
    assert len(received) < 50  # posts that come together share an event
    assert all(event.time == max(label.event_time for label in event.labels) for event in received)


async def test_a_body_of_20_mb_and_a_second_inference_are_refused(world: World, model: Model) -> None:
    body = b"[" + b" " * 20 * 2**20 + b"]"
    for path in (f"/v2/models/{model.name}/infer", f"/v1/models/{model.name}/labels"):
        answer = await world.service.client.post(path, content=body)
        assert (answer.status_code, "body" in answer.text) == (413, True)
    assert (await world.ask(model, 1))["model_version"] == model.first
    second = Inference(world.state, world.kafka)
    with pytest.raises(AssertionError, match="another process has this spool open"):
        await second.start()
    assert second.process.returncode == 1
    await second.client.aclose()


async def test_sigterm_publishes_what_was_answered_and_ends_with_0(world: World, model: Model) -> None:
    await asyncio.gather(*(world.ask(model, number) for number in range(20)))
    assert await world.service.end() == 0, world.service.said()
    logged = await world.logged(model, 20)
    assert sorted(row[2] for row in logged) == list(range(20))
    assert "Traceback" not in world.service.said()
    await world.service.start()
    assert (await world.ask(model, 1))["model_version"] == model.first
