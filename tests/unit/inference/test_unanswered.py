"""Rows that a version can't compute are counted once, and told with the next rows of the model."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from services.inference.api.core import Core
from services.inference.domain.answered import Source
from services.inference.domain.asked import Asked
from services.inference.domain.recent import RecentIds
from services.inference.domain.unanswered import Unanswered
from services.inference.models.catalogue import Canary, Served
from services.inference.models.loaded import LoadedModel, ModelFailed
from services.inference.store.accounting import Accounting
from shared.batch import decode_batch
from shared.errors import InvalidInput
from shared.failures import Failed
from shared.subjects import group
from tests.unit.inference.express_server import PATH, running_server
from tests.unit.inference.express_server import body as block_body
from tests.unit.inference.harness import Service, inputs
from tests.unit.inference.test_shadow import batch_jobs, counted, jobs, running, until

CANARY = Source("small", "1" * 64, "d" * 64, "canary")
CHAMPION = CANARY._replace(digest="2" * 64, role="champion")


def asked(entity: str | list[str | None] | None, rows: int = 1, time: int = 1_000) -> Asked:
    return Asked(b"k" * 16, "id", rows, [], time, entity)


def failing(_: object) -> None:
    raise ModelFailed("no")


def body(entity: str, rows: int = 1) -> bytes:
    return json.dumps({"inputs": inputs(rows), "parameters": {"entity": entity}}).encode()


def told(service: Service) -> list[tuple[Failed, ...] | None]:
    return [batch.meta.failed for batch in service.logged()]


def test_rows_are_counted_by_version_and_group_of_their_subject_until_they_are_told() -> None:
    unanswered = Unanswered()
    unanswered.add(CANARY, asked("N1", rows=3))
    unanswered.add(CANARY, asked(["N1", None], rows=2, time=500))
    unanswered.add(CHAMPION, asked(None))
    first, second = unanswered.taken("small")
    assert (first.digest, first.role, first.until, first.rows) == (
        "1" * 64,
        "canary",
        1_000,
        {group("N1"): 4, group(b"k" * 16): 1},
    )
    assert (second.digest, second.rows) == ("2" * 64, {group(b"k" * 16): 1})
    assert unanswered.taken("small") == ()


def test_event_times_of_single_rows_are_understood() -> None:
    unanswered = Unanswered()
    times = np.array(["2013-03-15T16:00:00", "2013-03-15T16:00:01"], "datetime64[us]")
    unanswered.add(CANARY, Asked(b"k" * 16, "id", 2, [], times, None))
    assert unanswered.taken("small")[0].until == 1_363_363_201_000_000


async def test_a_canary_that_fails_is_told_by_what_the_champion_answers(
    service: Service, small: LoadedModel, other_small: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = Served(other_small, "canary", 1)
    served = Served(small, "champion", 1, canary=Canary(canary, 0.5, "salt"))
    core = Core(Accounting(service.log, lambda: False), RecentIds(100), 256)
    monkeypatch.setattr(other_small, "run", failing)
    lost = []
    for number in range(40):
        try:
            await core.infer(served, body(f"N{number}", rows=2), 0.0)
        except ModelFailed:
            lost.append(f"N{number}")
    [failed] = told(service)
    assert failed is not None
    assert [(one.digest, one.role, one.total) for one in failed] == [(other_small.digest, "canary", 2 * len(lost))]
    assert set(failed[0].rows) == {group(entity) for entity in lost}
    await core.infer(served._replace(canary=None), body("N1"), 0.0)
    assert told(service)[-1] == ()


async def test_a_client_that_is_wrong_is_no_failure_of_the_model(service: Service, small: LoadedModel) -> None:
    core = Core(Accounting(service.log, lambda: False), RecentIds(100), 256)
    with pytest.raises(InvalidInput):
        await core.infer(Served(small, "champion", 1), b'{"inputs": []}', 0.0)
    await core.infer(Served(small, "champion", 1), body("N1"), 0.0)
    assert told(service) == [()]


@pytest.mark.parametrize("lines", [(), ("Connection: close",)], ids=["express", "normal"])
async def test_a_request_that_fails_is_counted_once_whichever_way_it_takes(
    state: Path, block: LoadedModel, monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...]
) -> None:
    async with running_server(state, block) as server:
        statuses = []
        for works in (False, True):
            with monkeypatch.context() as patch:
                if not works:
                    patch.setattr(block, "run", failing)
                [(status, _, _)] = await server.ask(server.post(block_body([1, 2, 3]), PATH, *lines))
                statuses.append(status)
        assert statuses == [500, 200]
        server.log.flush()
        [failed] = [decode_batch(value).meta.failed for value in server.kafka.values]
        assert [(one.role, one.total) for one in failed or ()] == [("champion", 1)]


async def test_a_shadow_that_fails_is_told_by_what_the_champion_answers(
    service: Service, small: LoadedModel, other_small: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(small, "champion", 1, shadow=Served(other_small, "shadow", 1))
    before = counted("failed")
    async with running(service) as core:
        monkeypatch.setattr(other_small, "run", failing)
        batch_jobs(core, served, jobs(5))
        await until("failed", before + 5)
        await asyncio.sleep(0)
    [failed] = told(service)
    assert [(one.digest, one.role, one.total) for one in failed or ()] == [(other_small.digest, "shadow", 5)]
