"""What the tests of gRPC share: the server on a port of its own, over a Kafka that only remembers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.inference.api.app import Parts
from services.inference.api.core import Core
from services.inference.api.grpc.server import open_server, run_server
from services.inference.domain.recent import RecentIds
from services.inference.models.catalogue import Catalogue, Served
from services.inference.models.loaded import LoadedModel
from services.inference.settings import InferenceSettings
from services.inference.store.accounting import Accounting
from services.inference.store.labels import LabelSender
from services.inference.store.predictions import GatherPolicy, PredictionLog
from shared.http import Health
from tests.unit.inference.grpc_protocol.caller import LIMIT, World, calling, free_port
from tests.unit.inference.harness import Kafka


@pytest.fixture
def full() -> asyncio.Event:
    """Set when no more predictions can be logged."""
    return asyncio.Event()


@pytest.fixture
def parts(small: LoadedModel, block: LoadedModel, kafka: Kafka, full: asyncio.Event) -> Parts:
    catalogue = Catalogue()
    for model in (small, block):
        catalogue.publish(Served(model, "champion", 1))
    log = PredictionLog(kafka.enqueue, "test", GatherPolicy(60, 4_096))
    return Parts(
        Health(), catalogue, Core(Accounting(log, full.is_set), RecentIds(1_000), 256), LabelSender(kafka.send, 1)
    )


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
async def world(state: Path, parts: Parts, kafka: Kafka) -> AsyncIterator[World]:
    settings = InferenceSettings(state=state, grpc_port=free_port(), body_bytes=LIMIT)
    serving = asyncio.create_task(run_server(open_server(settings, parts)))
    async with calling(settings.grpc_port, state) as caller:
        yield World(caller, parts, kafka, settings)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
