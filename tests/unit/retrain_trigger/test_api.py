from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from services.retrain_trigger.api import build_app
from services.retrain_trigger.domain.decide import View, decide, reconsider
from services.retrain_trigger.settings import Settings
from services.retrain_trigger.store import Journal
from shared.cloudevents import encode
from shared.definition import parse_definition
from shared.http import Health
from shared.keys import make_keys
from tests.unit.retrain_trigger.stand import LABELLED_AT, MODEL, definition_text, incident


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_keys(tmp_path)
    return Settings(state=tmp_path)


@pytest.fixture
def journal(settings: Settings) -> Journal:
    return Journal(settings.journal, partial(encode, source="retrain_trigger"))


@pytest.fixture
async def http(settings: Settings, journal: Journal) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(settings, journal, Health())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://retrain") as client:
        yield client


def bearer(settings: Settings, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {(settings.state / 'tokens' / f'{role}.jwt').read_text()}"}


async def test_a_run_is_shown_with_what_is_known_of_it(
    http: httpx.AsyncClient, settings: Settings, journal: Journal
) -> None:
    waiting = decide(incident(number=1), parse_definition(definition_text()), View())
    assert waiting is not None
    begun = reconsider(waiting.run, View(labelled_to=LABELLED_AT))
    assert begun is not None
    journal.record(begun.run)
    journal.finish_step(begun.run, "pin", {})
    answer = await http.get("/v1/runs", headers=bearer(settings, "viewer"))
    assert answer.status_code == 200
    (shown,) = answer.json()
    assert shown == {
        "run_id": begun.run.run_id,
        "incident_id": incident(number=1).incident_id,
        "model": MODEL,
        "state": "running",
        "step": "train",
        "features": ["temp", "dewp"],
        "wait_until": "2013-04-01T00:00:00Z",
        "labelled_at": "2013-04-01T01:00:00Z",
        "challenger": None,
        "reason": begun.event.reason,
        "metrics": None,
    }


async def test_a_run_that_was_skipped_says_why(http: httpx.AsyncClient, settings: Settings, journal: Journal) -> None:
    skipped = decide(incident(severity="minor"), parse_definition(definition_text()), View())
    assert skipped is not None
    journal.record(skipped.run)
    (shown,) = (await http.get("/v1/runs", headers=bearer(settings, "viewer"))).json()
    assert (shown["state"], shown["step"]) == ("skipped", None)
    assert "too small" in shown["reason"]


async def test_a_finished_run_shows_its_challenger_and_both_metrics(
    http: httpx.AsyncClient, settings: Settings, journal: Journal
) -> None:
    outcome = decide(incident(), parse_definition(definition_text()), View(labelled_to=LABELLED_AT))
    assert outcome is not None
    run = outcome.run.model_copy(update={"state": "evaluated"})
    for step in ("pin", "train", "convert"):
        journal.finish_step(run, step, {})
    journal.finish_step(run, "evaluate", {"champion": {"log_loss": 0.5}, "challenger": {"log_loss": 0.4}})
    journal.finish_step(run, "bundle", {"digest": "d" * 64})
    (shown,) = (await http.get("/v1/runs", headers=bearer(settings, "viewer"))).json()
    assert (shown["state"], shown["step"], shown["challenger"]) == ("evaluated", None, "d" * 64)
    assert shown["metrics"] == {"champion": {"log_loss": 0.5}, "challenger": {"log_loss": 0.4}}


async def test_without_a_token_401_and_with_a_clients_403(http: httpx.AsyncClient, settings: Settings) -> None:
    assert (await http.get("/v1/runs")).status_code == 401
    assert (await http.get("/v1/runs", headers={"Authorization": "Bearer x"})).status_code == 401
    assert (await http.get("/v1/runs", headers=bearer(settings, "client"))).status_code == 403
    assert (await http.get("/live")).status_code == 200
