"""What governance's tests share: bundles once, a database each."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.governance.api import build_api
from services.governance.page import mount_page
from services.governance.store.desk import Desk
from shared.http import Health
from tests.unit.governance.world import StandingClock, make_desk, make_version


@dataclass(frozen=True)
class Bundles:
    """A state folder with a first champion by the operator, a challenger by retrain_trigger, and another model."""

    state: Path
    champion: str
    challenger: str
    other: str


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    state = tmp_path_factory.mktemp("state")
    champion = make_version(state, seed=1)
    challenger = make_version(state, seed=2, signer="retrain_trigger", parent=champion)
    return Bundles(state, champion, challenger, make_version(state, name="other"))


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def desk(bundles: Bundles, tmp_path: Path, clock: StandingClock) -> Iterator[Desk]:
    desk = make_desk(bundles.state, tmp_path / "governance.db", clock)
    yield desk
    desk.database.close()


@pytest.fixture
def app(desk: Desk) -> FastAPI:
    app = build_api(desk, Health())
    mount_page(app, desk)
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://governance") as client:
        yield client
