"""What serves follows governance's deployments: never back, and never less than before."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.inference.models.catalogue import Catalogue, NotReady, NotServed
from services.inference.models.deployments import Deployments
from services.inference.models.loaded import LoadedModel, load
from services.inference.store.deployments import KeptDeployments
from shared.bundle import open_bundle
from shared.deployments import deployment as read_deployment
from shared.errors import InvalidInput
from shared.http import Health
from shared.signing import Trust
from tests.bundles import as_read, definition_text, deployment, make_bundle


@dataclass
class World:
    """Deployments over a store whose bundles are `models`; `loaded` is what was asked for, in order."""

    state: Path
    models: dict[str, LoadedModel]
    catalogue: Catalogue = field(default_factory=Catalogue)
    health: Health = field(default_factory=Health)
    loaded: list[str] = field(default_factory=list)
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.deployments = Deployments(self.catalogue, self.load, self.health, patience=0.1)

    def load(self, digest: str) -> LoadedModel:
        self.loaded.append(digest)
        if digest not in self.models:
            raise InvalidInput("digest", "no such bundle")
        return self.models[digest]

    def tell(self, digest: str, revision: int, model: str = "small", **beside: Any) -> None:
        message = as_read(deployment(self.state, digest, revision, model=model, **beside), revision)
        self.deployments.take(read_deployment(message, Trust(self.state / "trust")))

    def serving(self) -> list[tuple[str, str, int]]:
        return [(each.model.name, each.model.digest, each.revision) for each in self.catalogue.all()]


@pytest.fixture
async def world(state: Path, small: LoadedModel, block: LoadedModel) -> AsyncIterator[World]:
    world = World(state, {small.digest: small, block.digest: block})
    running = asyncio.create_task(world.deployments.run(world.caught_up))
    yield world
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def settle() -> None:
    await asyncio.sleep(0.05)


async def test_nothing_is_ready_before_all_deployments_are_known(world: World, small: LoadedModel) -> None:
    world.tell("a" * 64, 1)
    world.tell(small.digest, 2)
    await settle()
    assert (world.health.reason is None, world.serving()) == (False, [])
    world.caught_up.set()
    await settle()
    assert (world.health.reason, world.serving()) == (None, [("small", small.digest, 2)])
    assert world.loaded == [small.digest]  # what was replaced long ago is not loaded


async def test_with_no_deployment_at_all_it_is_ready(world: World) -> None:
    world.caught_up.set()
    await settle()
    assert (world.health.reason, world.serving()) == (None, [])


async def test_a_revision_never_goes_back(world: World, small: LoadedModel) -> None:
    world.caught_up.set()
    world.tell(small.digest, 5)
    await settle()
    for revision in (4, 5):
        world.tell("b" * 64, revision)
    await settle()
    assert world.serving() == [("small", small.digest, 5)]
    assert world.loaded == [small.digest]


async def test_the_same_bundle_in_a_new_revision_is_not_loaded_again(world: World, small: LoadedModel) -> None:
    world.caught_up.set()
    for revision in (1, 2):
        world.tell(small.digest, revision)
        await settle()
    assert world.serving() == [("small", small.digest, 2)]
    assert world.loaded == [small.digest]


async def test_a_bundle_that_can_not_be_loaded_changes_nothing_but_is_told(world: World, small: LoadedModel) -> None:
    world.caught_up.set()
    world.tell(small.digest, 1)
    await settle()
    world.tell("c" * 64, 2)
    await settle()
    assert world.serving() == [("small", small.digest, 1)]
    assert world.health.reason is None
    assert "no such bundle" in world.health.details["small"]
    world.tell(small.digest, 3)
    await settle()
    assert (world.serving(), world.health.details) == ([("small", small.digest, 3)], {})


async def test_it_is_not_ready_while_nothing_serves_of_a_model_that_is_deployed(
    world: World, small: LoadedModel, block: LoadedModel
) -> None:
    world.caught_up.set()
    world.tell(block.digest, 1, model="block")
    world.tell("c" * 64, 1)  # damaged, say
    await settle()
    assert (world.health.reason, list(world.health.details)) == ("deployed, but not serving: small", ["small"])
    with pytest.raises(NotReady, match=r"^'small' is deployed, but its bundle was refused; ask again later$"):
        world.catalogue.get("small")
    with pytest.raises(NotServed, match="no model 'other' is deployed"):
        world.catalogue.get("other")
    world.tell(small.digest, 2)
    await settle()
    assert (world.health.reason, world.health.details) == (None, {})
    assert world.catalogue.get("small").revision == 2


def test_before_it_is_loaded_a_model_that_is_deployed_is_not_called_unknown(state: Path, small: LoadedModel) -> None:
    world = World(state, {small.digest: small})
    world.tell(small.digest, 1)
    with pytest.raises(NotReady, match="is deployed, but it is being loaded"):
        world.catalogue.get("small")


async def test_a_bundle_of_another_model_is_refused(world: World, block: LoadedModel) -> None:
    world.caught_up.set()
    world.tell(block.digest, 1, model="small")
    await settle()
    assert world.serving() == []
    assert "not 'block'" in world.health.details["small"]


async def test_a_refused_bundle_is_tried_again_for_it_may_come_later(world: World, small: LoadedModel) -> None:
    del world.models[small.digest]
    world.caught_up.set()
    world.tell(small.digest, 1)
    await settle()
    assert (world.serving(), list(world.health.details)) == ([], ["small"])
    world.models[small.digest] = small
    async with asyncio.timeout(5):
        while not world.serving():
            await settle()
    assert (world.serving(), world.health.details) == ([("small", small.digest, 1)], {})


def beside(world: World) -> tuple[str | None, float | None, str | None]:
    """Digest and share of `small`'s canary, and digest of its shadow."""
    served = world.catalogue.get("small")
    canary, shadow = served.canary, served.shadow
    return (
        canary.served.model.digest if canary else None,
        canary.share if canary else None,
        shadow.model.digest if shadow else None,
    )


async def test_a_canary_and_a_shadow_serve_beside_the_champion_until_they_are_no_longer_named(
    world: World, small: LoadedModel, other_small: LoadedModel
) -> None:
    world.models[other_small.digest] = other_small
    world.caught_up.set()
    canary = {"digest": other_small.digest, "share": 0.1}
    world.tell(small.digest, 1, canary=canary, shadow=other_small.digest, salt="salt")
    await settle()
    assert beside(world) == (other_small.digest, 0.1, other_small.digest)
    assert world.loaded == [small.digest, other_small.digest]
    served = world.catalogue.get("small", other_small.digest)
    assert (served.role, served.revision, served.model) == ("canary", 1, other_small)
    world.tell(small.digest, 2, canary=canary | {"share": 0.5}, salt="salt")
    await settle()
    assert beside(world) == (other_small.digest, 0.5, None)
    world.tell(small.digest, 3)
    await settle()
    assert beside(world) == (None, None, None)
    with pytest.raises(NotServed):
        world.catalogue.get("small", other_small.digest)


async def test_a_canary_that_is_promoted_is_not_loaded_again(
    world: World, small: LoadedModel, other_small: LoadedModel
) -> None:
    world.models[other_small.digest] = other_small
    world.caught_up.set()
    world.tell(small.digest, 1, canary={"digest": other_small.digest, "share": 0.1})
    await settle()
    world.tell(other_small.digest, 2)
    await settle()
    assert world.serving() == [("small", other_small.digest, 2)]
    assert world.loaded == [small.digest, other_small.digest]


async def test_a_refused_canary_or_shadow_leaves_the_champion_serving_and_is_told(
    world: World, small: LoadedModel, other_small: LoadedModel
) -> None:
    world.models[other_small.digest] = other_small
    world.caught_up.set()
    world.tell(small.digest, 1, canary={"digest": "c" * 64, "share": 0.1}, shadow=other_small.digest)
    await settle()
    assert (world.serving(), world.health.reason) == ([("small", small.digest, 1)], None)
    assert beside(world) == (None, None, other_small.digest)
    assert f"canary, bundle {'c' * 64}" in world.health.details["small"]
    world.models["c" * 64] = other_small  # it arrives
    async with asyncio.timeout(5):
        while world.health.details:
            await settle()
    assert beside(world) == (other_small.digest, 0.1, other_small.digest)


async def test_a_canary_that_takes_other_inputs_is_refused(world: World, state: Path, small: LoadedModel) -> None:
    digest = make_bundle(state, definition_text("small", numeric=True), "small_binary_b")
    world.models[digest] = load(open_bundle(state / "bundles", digest, state / "trust"))
    world.caught_up.set()
    world.tell(small.digest, 1, canary={"digest": digest, "share": 0.1})
    await settle()
    assert beside(world) == (None, None, None)
    assert "definition.features" in world.health.details["small"]


async def test_without_a_broker_what_was_believed_before_serves_after_a_while(state: Path, small: LoadedModel) -> None:
    kept, trust = KeptDeployments(state / "kept"), Trust(state / "trust")
    for revision in (1, 2):
        kept.keep(as_read(deployment(state, small.digest, revision), revision))
    world = World(state, {small.digest: small})
    for event in kept.read(trust):
        world.deployments.take(event)
    running = asyncio.create_task(world.deployments.run(asyncio.Event()))
    await settle()
    assert (world.health.reason is None, world.serving()) == (False, [])
    async with asyncio.timeout(5):
        while world.health.reason is not None:
            await settle()
    assert world.serving() == [("small", small.digest, 2)]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
