"""A canary answers for exactly the entities that the function names, whichever way their requests come."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from services.inference.api.batcher import Batcher
from services.inference.api.core import Core
from services.inference.domain.recent import RecentIds
from services.inference.domain.routing import goes_to_canary
from services.inference.models.catalogue import Canary, Catalogue, NotServed, Served
from services.inference.models.loaded import LoadedModel
from services.inference.store.accounting import Accounting
from shared.batch import PredictionBatch, request_key
from tests.unit.inference.harness import Service, Waiting, inputs

SALT, SHARE = "salt", 0.3


@pytest.fixture
def rollout(service: Service, small: LoadedModel, other_small: LoadedModel) -> Served:
    served = Served(small, "champion", 2, Canary(Served(other_small, "canary", 2), SHARE, SALT))
    service.catalogue.publish(served)
    return served


async def batched(service: Service, served: Served, jobs: list[Waiting]) -> None:
    batcher = Batcher(Core(Accounting(service.log, lambda: False), RecentIds(10), 256))
    for job in jobs:
        batcher.add(served, job)
    await asyncio.sleep(0)


def rows_of(batches: list[PredictionBatch], role: str) -> list[tuple[bytes, str | None]]:
    """(request id, entity) of every row that was logged in this role."""
    mine = [batch for batch in batches if batch.meta.role == role]
    return [pair for batch in mine for pair in zip(batch.request_id, batch.entity, strict=True)]


async def test_of_1000_entities_exactly_those_named_by_the_function_are_the_canarys(
    service: Service, rollout: Served, small: LoadedModel, other_small: LoadedModel
) -> None:
    names = [f"N{number}" for number in range(1_000)]
    jobs = {name: Waiting(parameters={"entity": name}) for name in names}
    await batched(service, rollout, list(jobs.values()))
    expected = {name for name in names if goes_to_canary(SALT, name, SHARE)}
    assert 250 < len(expected) < 350
    assert {name for name, job in jobs.items() if job.told["model_version"] == other_small.digest} == expected
    logged = service.logged()
    assert {entity for _, entity in rows_of(logged, "canary")} == expected
    assert {entity for _, entity in rows_of(logged, "champion")} == set(names) - expected
    assert {(batch.meta.role, batch.meta.digest) for batch in logged} == {
        ("champion", small.digest),
        ("canary", other_small.digest),
    }
    assert sum(len(batch) for batch in logged) == len(names)


async def test_without_an_entity_the_logged_request_id_says_who_answered(service: Service, rollout: Served) -> None:
    jobs = [Waiting() if number % 2 else Waiting(id=f"r-{number}") for number in range(200)]
    await batched(service, rollout, jobs)
    logged = service.logged()
    for role, is_canary in (("champion", False), ("canary", True)):
        keys = [key for key, _ in rows_of(logged, role)]
        assert len(keys) > 20
        assert {goes_to_canary(SALT, key, SHARE) for key in keys} == {is_canary}
    told = {request_key("small", job.told["id"]) for job in jobs}
    assert told == {key for role in ("champion", "canary") for key, _ in rows_of(logged, role)}


def infer_body(entity: str) -> dict[str, Any]:
    return {"inputs": inputs(), "parameters": {"entity": entity}}


def predict_body(entity: str) -> dict[str, Any]:
    return {"rows": [{"temp": 50.0, "wind": 10.0, "carrier": "AA"}], "entity": entity}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v2/models/small/infer", infer_body, "model_version"),
        ("/v1/models/small/predict", predict_body, "version"),
    ],
)
@pytest.mark.usefixtures("rollout")
async def test_the_other_ways_come_to_the_same_answer(
    service: Service, other_small: LoadedModel, path: str, body: Callable[[str], Any], field: str
) -> None:
    names = [f"N{number}" for number in range(60)]
    answers = {name: (await service.client.post(path, json=body(name))).json() for name in names}
    canarys = {name for name, told in answers.items() if told[field] == other_small.digest}
    assert canarys == {name for name in names if goes_to_canary(SALT, name, SHARE)}
    assert {entity for _, entity in rows_of(service.logged(), "canary")} == canarys


async def test_all_rows_of_a_request_go_with_the_first(service: Service, rollout: Served) -> None:
    named = [f"N{number}" for number in range(20)]
    ours = next(name for name in named if goes_to_canary(SALT, name, SHARE))
    others = [name for name in named if not goes_to_canary(SALT, name, SHARE)][:2]
    about = {"name": "entity", "datatype": "BYTES", "shape": [3], "data": [ours, *others]}
    await batched(service, rollout, [Waiting(inputs=[*inputs(3), about])])
    assert [entity for _, entity in rows_of(service.logged(), "canary")] == [ours, *others]


@pytest.mark.usefixtures("rollout")
async def test_a_version_that_is_named_answers_in_any_role(
    service: Service, small: LoadedModel, other_small: LoadedModel
) -> None:
    for model in (small, other_small):
        path = f"/v2/models/small/versions/{model.digest}/infer"
        told = [(await service.client.post(path, json=infer_body(f"N{number}"))).json() for number in range(20)]
        assert {each["model_version"] for each in told} == {model.digest}
    metadata = (await service.client.get("/v2/models/small")).json()
    assert metadata["versions"] == [small.digest, other_small.digest]


def test_what_is_no_longer_named_does_not_serve(small: LoadedModel, other_small: LoadedModel) -> None:
    catalogue, shadow = Catalogue(), Served(other_small, "shadow", 1)
    catalogue.publish(Served(small, "champion", 1, shadow=shadow))
    assert catalogue.get("small", other_small.digest) is shadow
    catalogue.publish(Served(small, "champion", 2))
    with pytest.raises(NotServed, match="does not serve version"):
        catalogue.get("small", other_small.digest)
