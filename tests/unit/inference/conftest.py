import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.inference.api.app import Parts, build_app
from services.inference.api.core import Core
from services.inference.domain.recent import RecentIds
from services.inference.models.catalogue import Catalogue, Served
from services.inference.models.loaded import LoadedModel, load
from services.inference.settings import InferenceSettings
from services.inference.store.accounting import Accounting
from services.inference.store.labels import LabelSender
from services.inference.store.predictions import GatherPolicy, PredictionLog
from shared.bundle import open_bundle
from shared.http import Health
from tests.bundles import definition_text, make_bundle
from tests.unit.inference.harness import Kafka, Service


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def small(state: Path) -> LoadedModel:
    return load(open_bundle(state / "bundles", make_bundle(state), state / "trust"))


@pytest.fixture(scope="session")
def block(state: Path) -> LoadedModel:
    digest = make_bundle(state, definition_text("block", numeric=True, max_rows=50), "small_binary_b")
    return load(open_bundle(state / "bundles", digest, state / "trust"))


@pytest.fixture(scope="session")
def other_small(state: Path) -> LoadedModel:
    """Another version of `small`."""
    digest = make_bundle(state, definition_text("small"), "small_binary_b")
    return load(open_bundle(state / "bundles", digest, state / "trust"))


@pytest.fixture
def label_patience() -> float:
    """Seconds; tests in which Kafka does not answer ask for fewer. A busy machine stands still for one or two."""
    return 60


@pytest.fixture
async def service(state: Path, small: LoadedModel, block: LoadedModel, label_patience: float) -> AsyncIterator[Service]:
    settings = InferenceSettings(state=state, body_bytes=1_000_000, label_patience_seconds=label_patience)
    kafka, health, catalogue = Kafka(), Health(), Catalogue()
    log = PredictionLog(kafka.enqueue, "test", GatherPolicy(60, 4_096))
    labels = LabelSender(kafka.send, settings.label_patience_seconds, bound=3_000)
    for model in (small, block):
        catalogue.publish(Served(model, "champion", 1))
    app = build_app(
        settings, Parts(health, catalogue, Core(Accounting(log, lambda: False), RecentIds(1_000), 256), labels)
    )
    sending = asyncio.create_task(labels.run())
    headers = {"Authorization": f"Bearer {(state / 'tokens' / 'client.jwt').read_text()}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://inference", headers=headers) as client:
        yield Service(client, catalogue, kafka, log, health)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
