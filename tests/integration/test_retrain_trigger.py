"""The real service on a real Kafka: an incident that is told twice makes one run and one challenger, kill -9 or not."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.bundle import open_bundle
from shared.cloudevents import encode, verified
from shared.events import ChallengerEvaluated, DriftDetected, Event, RetrainingDecided, RetrainingStarted
from shared.kafka.admin import DEAD_LETTERS, DRIFT, RETRAINING, ensure_topics
from shared.kafka.follow import follow
from shared.kafka.message import InMessage, OutMessage
from shared.kafka.producer import Producer
from shared.signing import Signer, Trust
from tests.unit.retrain_trigger.stand import LABELLED_AT, Stand, incident, label_known_at

ROOT = Path(__file__).parents[2]
SECONDS = 60.0


class Service:
    """retrain_trigger as a process on one state folder, started as often as wanted."""

    def __init__(self, stand: Stand, kafka: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self.state, self.model, self.kafka = stand.settings.state, stand.model, kafka
        self._environment = os.environ | {
            "KAFKA_BOOTSTRAP": kafka,
            "DRIFTLINE_STATE": str(self.state),
            "DRIFTLINE_PORT": self._url.rpartition(":")[2],
            "DRIFTLINE_RETRAIN_GROUP": stand.model,
            "DRIFTLINE_POLL_SECONDS": "0.1",
        }

    @contextlib.asynccontextmanager
    async def running(self, end: signal.Signals = signal.SIGTERM) -> AsyncIterator[None]:
        """Runs it, ready, until the body ends; SIGTERM must end it cleanly."""
        command = (sys.executable, "-m", "services.retrain_trigger")
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=self._environment, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await self.until_true(self._ready)
            yield
            process.send_signal(end)
            code = await asyncio.wait_for(process.wait(), 30)
            assert code == (0 if end == signal.SIGTERM else -end)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _ready(self) -> bool:
        async with httpx.AsyncClient() as http:
            with contextlib.suppress(httpx.TransportError):
                return (await http.get(f"{self._url}/ready")).status_code == 200
        return False

    async def until_true(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(SECONDS):
            while not await condition():  # noqa: ASYNC110  # what it waits for lies in another process
                await asyncio.sleep(0.05)

    async def runs(self) -> list[dict[str, Any]]:
        """This model's runs, over HTTP."""
        bearer = (self.state / "tokens" / "viewer.jwt").read_text()
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {bearer}"}, timeout=30) as http:
            answer = (await http.get(f"{self._url}/v1/runs")).raise_for_status()
        return [run for run in answer.json() if run["model"] == self.model]

    async def until_run_is(self, state: str) -> dict[str, Any]:
        """The one run, as soon as it is in this state."""

        async def is_so() -> bool:
            runs = await self.runs()
            assert len(runs) < 2
            assert not runs or runs[0]["state"] not in {"failed", "skipped"} - {state}, runs
            return bool(runs) and runs[0]["state"] == state

        await self.until_true(is_so)
        return (await self.runs())[0]

    async def tell(self, *messages: OutMessage) -> None:
        """As drift_detection would, or worse."""
        producer = Producer(self.kafka, "test")
        await producer.start()
        await producer.send(messages)
        await producer.stop()

    async def read(self, topic: str) -> list[InMessage]:
        """This model's messages on a topic, all there are."""
        found: list[InMessage] = []

        async def note(message: InMessage) -> None:
            if message.key == self.model.encode() or self.model.encode() in (message.value or b""):
                found.append(message)

        end = asyncio.Event()
        reading = asyncio.create_task(follow(self.kafka, [topic], note, end, "test"))
        await asyncio.wait_for(end.wait(), SECONDS)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return found

    async def said(self) -> list[Event]:
        """What it said of this model, every signature checked."""
        trust = Trust(self.state / "trust")
        return [verified(message, trust, "retrain_trigger") for message in await self.read(RETRAINING)]


@pytest.fixture
def model() -> str:
    return f"m{uuid.uuid4().hex}"


def drift(event: DriftDetected, stand: Stand) -> OutMessage:
    return encode(event, "drift_detection", Signer.load(stand.settings.keys, "drift_detection"))


def kinds(events: Sequence[Event]) -> Counter[type[Event]]:
    """How many of each kind, repeats apart."""
    return Counter(type(event) for event in {event.id: event for event in events}.values())


def check_challenger(said: Event, event: DriftDetected, stand: Stand) -> str:
    """What a run has said of the challenger that answers this incident is true; the challenger's digest."""
    assert isinstance(said, ChallengerEvaluated)
    assert said.passed
    assert said.incident_id == event.incident_id
    bundle = open_bundle(stand.settings.bundles, said.challenger.digest, stand.settings.trust)
    assert (bundle.signer, bundle.lineage.parent) == ("retrain_trigger", stand.champion)
    return bundle.digest


async def test_an_incident_told_twice_and_a_kill_make_one_run_and_one_challenger(
    kafka: str, tmp_path: Path, model: str
) -> None:
    await ensure_topics(kafka)
    stand = Stand(tmp_path, model=model)
    service = Service(stand, kafka)
    event = incident(stand.champion, model=model)
    rubbish = OutMessage(DRIFT, f"no event of {model}".encode(), model.encode())
    async with service.running(end=signal.SIGKILL):
        await service.tell(drift(event, stand), rubbish, drift(event, stand))
        waiting = await service.until_run_is("waiting")
        assert waiting["labelled_at"] == "2013-04-01T01:00:00Z"
        await service.until_true(lambda: service.read(DEAD_LETTERS))
    async with service.running():
        assert (await service.until_run_is("waiting"))["run_id"] == waiting["run_id"]
        label_known_at(stand.settings.tables, model, LABELLED_AT)
        done = await service.until_run_is("evaluated")
        await service.tell(drift(event, stand))
        await asyncio.sleep(1)
        assert [run["state"] for run in await service.runs()] == ["evaluated"]
    events = await service.said()
    assert kinds(events) == {RetrainingDecided: 2, RetrainingStarted: 1, ChallengerEvaluated: 1}
    assert check_challenger(events[-1], event, stand) == done["challenger"]


async def test_a_service_killed_while_it_trains_goes_on_and_makes_one_challenger(
    kafka: str, tmp_path: Path, model: str
) -> None:
    await ensure_topics(kafka)
    diary, go = tmp_path / "diary", tmp_path / "go"
    stand = Stand(tmp_path / "state", model=model, diary=str(diary), wait_for=str(go))
    label_known_at(stand.settings.tables, model, LABELLED_AT)
    service = Service(stand, kafka)

    async def trains() -> bool:
        return diary.exists() and diary.read_text().endswith("\n")

    async with service.running(end=signal.SIGKILL):
        await service.tell(drift(incident(stand.champion, model=model), stand))
        await service.until_true(trains)
        assert (await service.until_run_is("running"))["step"] == "train"
    go.touch()
    async with service.running():
        await service.until_run_is("evaluated")

        async def is_told() -> bool:
            return any(isinstance(event, ChallengerEvaluated) for event in await service.said())

        await service.until_true(is_told)
    assert len(diary.read_text().split()) == 2
    assert kinds(await service.said()) == {RetrainingDecided: 1, RetrainingStarted: 1, ChallengerEvaluated: 1}
