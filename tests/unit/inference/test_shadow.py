"""A shadow computes what the champion answered, later on, and harms nobody."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from prometheus_client import REGISTRY

from services.inference.api.batcher import Batcher
from services.inference.api.core import Core
from services.inference.api.shadows import Shadows
from services.inference.domain.recent import RecentIds
from services.inference.models.catalogue import Canary, Served
from services.inference.models.loaded import LoadedModel, ModelFailed
from services.inference.store.accounting import Accounting
from shared.batch import PredictionBatch
from tests.unit.inference.harness import Service, Waiting, inputs


@asynccontextmanager
async def running(service: Service, bound: int = 1_000) -> AsyncIterator[Core]:
    """A core whose shadows compute."""
    accounting = Accounting(service.log, lambda: False)
    shadows = Shadows(accounting, bound)
    task = asyncio.create_task(shadows.run())
    yield Core(accounting, RecentIds(100), 256, shadows)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def served(small: LoadedModel, other_small: LoadedModel) -> Served:
    return Served(small, "champion", 1, shadow=Served(other_small, "shadow", 1))


def jobs(count: int) -> list[Waiting]:
    return [Waiting(inputs=inputs(temp=number), id=f"r-{number}") for number in range(count)]


def batch_jobs(core: Core, served: Served, waiting: list[Waiting]) -> None:
    batcher = Batcher(core)
    for job in waiting:
        batcher.add(served, job)


def counted(outcome: str) -> float:
    labels = {"model": "small", "outcome": outcome}
    return REGISTRY.get_sample_value("driftline_inference_shadow_rows_total", labels) or 0


async def until(outcome: str, rows: float) -> None:
    async with asyncio.timeout(5):
        while counted(outcome) < rows:  # noqa: ASYNC110  # a counter has no event
            await asyncio.sleep(0.01)


def by_request(batches: list[PredictionBatch], role: str, column: str) -> dict[bytes, float]:
    """The column's value of each request's row that was logged in this role."""
    mine = [batch for batch in batches if batch.meta.role == role]
    return {
        key: float(value[0])
        for batch in mine
        for key, value in zip(batch.request_id, getattr(batch, column), strict=True)
    }


async def test_a_shadows_row_has_the_request_id_and_the_champions_score(
    service: Service, served: Served, other_small: LoadedModel
) -> None:
    before, waiting = counted("logged"), jobs(300)
    async with running(service) as core:
        batch_jobs(core, served, waiting)
        await asyncio.sleep(0)
        assert all(job.told for job in waiting)
        assert counted("logged") == before  # the answers are out, and the shadow has not begun
        await until("logged", before + 300)
    logged = service.logged()
    assert {(batch.meta.role, batch.meta.digest) for batch in logged if batch.champion_scores is not None} == {
        ("shadow", other_small.digest)
    }
    assert by_request(logged, "shadow", "champion_scores") == by_request(logged, "champion", "scores")
    expected = other_small.scores(other_small.run(np.array([[n, 10, 0] for n in range(300)], dtype=np.float32)))
    own = by_request(logged, "shadow", "scores")
    assert sorted(own.values()) == sorted(expected[:, 0].tolist())
    assert own != by_request(logged, "champion", "scores")


async def test_requests_by_the_normal_way_are_shadowed_too(service: Service, served: Served) -> None:
    before = counted("logged")
    async with running(service) as core:
        body = json.dumps({"inputs": inputs(), "id": "one"}).encode()
        await core.infer(served, body, 0.0)
        await until("logged", before + 1)
    [champion, shadow] = sorted(service.logged(), key=lambda batch: batch.meta.role)
    assert (champion.meta.role, shadow.meta.role) == ("champion", "shadow")
    assert champion.request_id == shadow.request_id


async def test_what_the_canary_answered_is_not_shadowed(service: Service, served: Served, block: LoadedModel) -> None:
    everyone = Canary(served._replace(role="canary", shadow=None), 0.999999, "salt")
    before = counted("logged")
    async with running(service) as core:
        batch_jobs(core, served._replace(canary=everyone), jobs(20))
        await asyncio.sleep(0.1)
    assert {batch.meta.role for batch in service.logged()} == {"canary"}
    assert counted("logged") == before


async def test_more_than_may_wait_is_dropped_and_counted(service: Service, served: Served) -> None:
    dropped, logged = counted("dropped"), counted("logged")
    async with running(service, bound=10) as core:
        for job in jobs(25):
            await core.infer(served, job.body, 0.0)
        await until("logged", logged + 10)
    assert counted("dropped") - dropped == 15
    assert len(by_request(service.logged(), "champion", "scores")) == 25


async def test_a_shadow_that_fails_harms_nobody(
    service: Service, served: Served, other_small: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ModelFailed("no")

    failed, logged = counted("failed"), counted("logged")
    async with running(service) as core:
        with monkeypatch.context() as patch:
            patch.setattr(other_small, "run", broken)
            waiting = jobs(5)
            batch_jobs(core, served, waiting)
            await until("failed", failed + 5)
        assert all(job.told for job in waiting)
        batch_jobs(core, served, jobs(5))  # and it goes on when it can
        await until("logged", logged + 5)
    assert sum(len(batch) for batch in service.logged()) == 15
