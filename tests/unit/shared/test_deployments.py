from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.cloudevents import encode
from shared.deployments import DeploymentFeed
from shared.events import DeploymentChanged
from shared.events.base import stable_id
from shared.kafka.admin import DEPLOYMENTS
from shared.kafka.message import InMessage, OutMessage
from shared.keys import make_keys
from shared.signing import Signer, Trust


class Heard:
    """What came through."""

    def __init__(self) -> None:
        self.events: list[DeploymentChanged] = []
        self.buried: list[OutMessage] = []

    async def deployed(self, event: DeploymentChanged, message: InMessage) -> None:
        assert message.value == event.model_dump_json().encode()
        self.events.append(event)

    async def bury(self, letters: list[OutMessage]) -> None:
        self.buried += letters


EVENT = DeploymentChanged(
    id=stable_id(1),
    model="pumps",
    time=datetime(1970, 1, 1, tzinfo=UTC),
    revision=1,
    champion="a" * 64,
    previous=None,
    approval_id=stable_id("approval"),
)


def message(state: Path, signer: str | None) -> InMessage:
    sent = encode(EVENT, "governance", Signer.load(state / "keys", signer) if signer else None)
    return InMessage(DEPLOYMENTS, 0, 0, sent.key, sent.value, sent.headers, 0)


def feed(state: Path, heard: Heard) -> DeploymentFeed:
    return DeploymentFeed(Trust(state / "trust"), "inference", heard.deployed, heard.bury)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    make_keys(tmp_path)
    return tmp_path


async def test_what_governance_signed_is_handed_on(state: Path) -> None:
    heard = Heard()
    await feed(state, heard).take(message(state, "governance"))
    assert heard.events == [EVENT]
    assert heard.buried == []


@pytest.mark.parametrize("signer", [None, "inference", "operator"])
async def test_what_another_signed_or_none_is_buried_with_the_reason(state: Path, signer: str | None) -> None:
    heard = Heard()
    await feed(state, heard).take(message(state, signer))
    assert heard.events == []
    [letter] = heard.buried
    assert letter.key == DEPLOYMENTS.encode()
    assert "governance" in dict(letter.headers)["driftline-reason"].decode()


async def test_a_mark_of_compaction_is_no_dead_letter(state: Path) -> None:
    heard = Heard()
    await feed(state, heard).take(InMessage(DEPLOYMENTS, 0, 0, b"pumps", None, (), 0))
    assert (heard.events, heard.buried) == ([], [])
