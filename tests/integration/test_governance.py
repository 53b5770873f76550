"""Governance as a process on a real Kafka: what it hears, what people decide, what it says."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import uuid
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from shared.cloudevents import verified
from shared.errors import Unreadable
from shared.events import DeploymentChanged, Event, stable_id
from shared.kafka.admin import DEAD_LETTERS, DEPLOYMENTS, GOVERNANCE, ensure_topics
from shared.kafka.follow import follow
from shared.kafka.message import InMessage
from shared.kafka.producer import Producer
from shared.signing import Trust
from tests.unit.governance.world import bearer, evaluated, make_version, said

SECONDS = 40.0
COMMAND = (sys.executable, "-m", "services.governance")


@dataclass
class Governance:
    """The service of one test, with a state folder, a consumer group and a model of its own."""

    kafka: str
    state: Path
    model: str
    port: int
    process: Process | None = None
    client: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)

    async def start(self, until: str = "/ready") -> None:
        told = {
            "KAFKA_BOOTSTRAP": self.kafka,
            "DRIFTLINE_STATE": str(self.state),
            "DRIFTLINE_PORT": str(self.port),
            "DRIFTLINE_GOVERNANCE_GROUP": self.model,
        }
        self.process = await asyncio.create_subprocess_exec(
            *COMMAND, env=os.environ | told, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(SECONDS):
            while not await self._answers(until):
                assert self.process.returncode is None, "the service ended"
                await asyncio.sleep(0.1)

    async def _answers(self, path: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return (await self.client.get(self._url(path))).status_code == 200
        return False

    async def end(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal; the exit code."""
        assert self.process is not None
        self.process.send_signal(with_signal)
        return await asyncio.wait_for(self.process.wait(), timeout=30)

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def open_approvals(self) -> list[dict[str, str]]:
        path = f"/v1/approvals?state=open&model={self.model}"
        answer = await self.client.get(self._url(path), headers=bearer(self.state, "vera", "viewer"))
        found: list[dict[str, str]] = answer.raise_for_status().json()
        return found

    async def opened(self) -> dict[str, str]:
        """The open approval, as soon as there is one."""
        async with asyncio.timeout(SECONDS):
            while True:
                if found := await self.open_approvals():
                    (approval,) = found
                    return approval
                await asyncio.sleep(0.1)

    async def approve(self, approval: dict[str, str], *people: str) -> None:
        body = {"digest": approval["digest"], "decision": "approve", "reason": "better on the holdout"}
        for name in people:
            path = self._url(f"/v1/approvals/{approval['approval_id']}/decision")
            answer = await self.client.post(path, json=body, headers=bearer(self.state, name, "approver"))
            answer.raise_for_status()

    async def say(self, *events: Event) -> None:
        """As retrain_trigger would."""
        producer = Producer(self.kafka, "test")
        await producer.start()
        await producer.send([said(self.state, event) for event in events])
        await producer.stop()

    async def heard(self, topic: str, enough: Callable[[list[InMessage]], bool]) -> list[InMessage]:
        """This model's messages on a topic, as soon as they are enough."""
        found: list[InMessage] = []
        done = asyncio.Event()

        async def note(message: InMessage) -> None:
            if self.model.encode() in (message.value or b""):
                found.append(message)
                if enough(found):
                    done.set()

        following = asyncio.create_task(follow(self.kafka, (topic,), note, asyncio.Event(), "test"))
        try:
            await asyncio.wait_for(done.wait(), SECONDS)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        return found


@pytest.fixture
async def governance(kafka: str, tmp_path: Path) -> AsyncIterator[Governance]:
    await ensure_topics(kafka)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    service = Governance(kafka, tmp_path / "state", f"gov_{uuid.uuid4().hex[:12]}", port)
    make_version(service.state, name=service.model, seed=1)
    await service.start()
    yield service
    await service.client.aclose()
    if service.process and service.process.returncode is None:
        assert await service.end() == 0


def challenger_of(governance: Governance) -> str:
    return make_version(governance.state, name=governance.model, seed=2, signer="retrain_trigger")


async def test_a_challenger_is_approved_by_two_people_and_the_signed_deployment_is_on_the_topic(
    governance: Governance,
) -> None:
    digest = challenger_of(governance)
    await governance.say(evaluated(digest, model=governance.model))
    approval = await governance.opened()
    assert (approval["digest"], approval["requested_by"]) == (digest, "service:retrain_trigger")
    await governance.approve(approval, "ada", "grace")
    (message,) = await governance.heard(DEPLOYMENTS, bool)
    changed = verified(message, Trust(governance.state / "trust"), "governance")
    assert isinstance(changed, DeploymentChanged)
    assert (changed.model, changed.revision, changed.champion) == (governance.model, 1, digest)
    with pytest.raises(Unreadable, match="signed by"):
        verified(message, Trust(governance.state / "trust"), "retrain_trigger")
    told = await governance.heard(GOVERNANCE, lambda found: len(found) >= 5)
    assert [message.header("ce_type") for message in told] == [
        "ModelRegistered",
        "ApprovalRequested",
        "ApprovalDecided",
        "ApprovalDecided",
        "ModelPromoted",
    ]
    assert await governance.end() == 0


async def test_a_repeated_challenger_opens_one_approval_also_after_kill_9(governance: Governance) -> None:
    event = evaluated(challenger_of(governance), model=governance.model)
    await governance.say(event, event)
    first = await governance.opened()
    await governance.end(signal.SIGKILL)
    await governance.start()
    await governance.say(event, evaluated("f" * 64, model=governance.model))
    # The one after it on the same partition is buried, so the repeat has been handled by then.
    buried = await governance.heard(DEAD_LETTERS, bool)
    assert b"f" * 64 in (buried[0].value or b"")
    assert [approval["approval_id"] for approval in await governance.open_approvals()] == [first["approval_id"]]
    told = await governance.heard(GOVERNANCE, lambda found: len(found) >= 2)
    assert len({message.header("ce_id") for message in told}) == 2


async def test_what_was_decided_before_kill_9_is_said_after_the_restart(governance: Governance) -> None:
    digest = challenger_of(governance)
    await governance.say(evaluated(digest, model=governance.model))
    await governance.approve(await governance.opened(), "ada", "grace")
    await governance.end(signal.SIGKILL)
    await governance.start(until="/live")  # it speaks before it is let into its group again
    messages = await governance.heard(DEPLOYMENTS, bool)
    assert {message.header("ce_id") for message in messages} == {stable_id(governance.model, 1, "DeploymentChanged")}
    verify = await asyncio.create_subprocess_exec(
        *COMMAND,
        "audit",
        "verify",
        env=os.environ | {"DRIFTLINE_STATE": str(governance.state)},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await verify.communicate()
    assert (verify.returncode, b"the chain is whole" in printed) == (0, True)
