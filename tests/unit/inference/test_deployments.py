"""What serves follows governance's deployments: signed, never back, and never less than before."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.inference.models.catalogue import Catalogue
from services.inference.models.deployments import Deployments
from services.inference.models.loaded import LoadedModel
from shared.errors import InvalidInput
from shared.http import Health
from shared.kafka.message import InMessage
from shared.signing import Trust
from tests.bundles import as_read, deployment


@dataclass
class World:
    """Deployments over a store whose bundles are `models`; `loaded` is what was asked for, in order."""

    state: Path
    models: dict[str, LoadedModel]
    catalogue: Catalogue = field(default_factory=Catalogue)
    health: Health = field(default_factory=Health)
    loaded: list[str] = field(default_factory=list)
    buried: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deployments = Deployments(Trust(self.state / "trust"), self.catalogue, self.load, self.health)

    def load(self, digest: str) -> LoadedModel:
        self.loaded.append(digest)
        if digest not in self.models:
            raise InvalidInput("digest", "no such bundle")
        return self.models[digest]

    async def tell(self, digest: str, revision: int, model: str = "small", signer: str = "governance") -> None:
        await self.read(as_read(deployment(self.state, digest, revision, model=model, signer=signer), revision))

    async def read(self, message: InMessage) -> None:
        async def bury(buried: InMessage, reason: str) -> None:
            self.buried.append((buried.offset, reason))

        await self.deployments.on_message(message, bury)

    def serving(self) -> list[tuple[str, str, int]]:
        return [(each.model.name, each.model.digest, each.revision) for each in self.catalogue.all()]


@pytest.fixture
async def world(state: Path, small: LoadedModel, block: LoadedModel) -> AsyncIterator[World]:
    world = World(state, {small.digest: small, block.digest: block})
    running = asyncio.create_task(world.deployments.run())
    yield world
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def settle() -> None:
    await asyncio.sleep(0.05)


async def test_nothing_is_ready_before_all_deployments_are_known(world: World, small: LoadedModel) -> None:
    await world.tell("a" * 64, 1)
    await world.tell(small.digest, 2)
    await settle()
    assert (world.health.reason is None, world.serving()) == (False, [])
    world.deployments.caught_up.set()
    await settle()
    assert (world.health.reason, world.serving()) == (None, [("small", small.digest, 2)])
    assert world.loaded == [small.digest]  # what was replaced long ago is not loaded


async def test_with_no_deployment_at_all_it_is_ready(world: World) -> None:
    world.deployments.caught_up.set()
    await settle()
    assert (world.health.reason, world.serving()) == (None, [])


async def test_a_revision_never_goes_back(world: World, small: LoadedModel) -> None:
    world.deployments.caught_up.set()
    await world.tell(small.digest, 5)
    await settle()
    for revision in (4, 5):
        await world.tell("b" * 64, revision)
    await settle()
    assert world.serving() == [("small", small.digest, 5)]
    assert world.loaded == [small.digest]


async def test_the_same_bundle_in_a_new_revision_is_not_loaded_again(world: World, small: LoadedModel) -> None:
    world.deployments.caught_up.set()
    for revision in (1, 2):
        await world.tell(small.digest, revision)
        await settle()
    assert world.serving() == [("small", small.digest, 2)]
    assert world.loaded == [small.digest]


async def test_a_bundle_that_can_not_be_loaded_changes_nothing_but_is_told(world: World, small: LoadedModel) -> None:
    world.deployments.caught_up.set()
    await world.tell(small.digest, 1)
    await settle()
    await world.tell("c" * 64, 2)
    await settle()
    assert world.serving() == [("small", small.digest, 1)]
    assert world.health.reason is None
    assert "no such bundle" in world.health.details["small"]
    await world.tell(small.digest, 3)
    await settle()
    assert (world.serving(), world.health.details) == ([("small", small.digest, 3)], {})


async def test_a_bundle_of_another_model_is_refused(world: World, block: LoadedModel) -> None:
    world.deployments.caught_up.set()
    await world.tell(block.digest, 1, model="small")
    await settle()
    assert world.serving() == []
    assert "not 'block'" in world.health.details["small"]


async def test_what_governance_did_not_sign_is_buried(world: World, small: LoadedModel) -> None:
    world.deployments.caught_up.set()
    genuine = as_read(deployment(world.state, small.digest, 3), 3)
    stripped = InMessage(genuine.topic, 0, 4, genuine.key, genuine.value, genuine.headers[:-2], 0)
    changed = InMessage(genuine.topic, 0, 5, genuine.key, (genuine.value or b"") + b" ", genuine.headers, 0)
    deleted = InMessage(genuine.topic, 0, 6, genuine.key, None, (), 0)
    await world.tell(small.digest, 2, signer="operator")
    for message in (stripped, changed, deleted):
        await world.read(message)
    await settle()
    assert [offset for offset, _ in world.buried] == [2, 4, 5, 6]
    assert world.serving() == []
    await world.read(genuine)
    await settle()
    assert world.serving() == [("small", small.digest, 3)]
