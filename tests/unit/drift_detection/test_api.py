from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

from services.drift_detection.api import build_app
from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.progress import Progress, progress
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.sources import Place, Sources
from services.drift_detection.domain.state import Incident
from services.drift_detection.models import Bundles
from services.drift_detection.settings import Settings
from shared.http import Health
from shared.keys import make_keys
from shared.reference.panes import moment
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched

FIRST = int(START.astype(np.int64))
APPENDED = FIRST + 100 * HOUR


def merging() -> Merging:
    """Twelve hours read, a jump in the sixth."""
    catalogue = {DIGEST: watched()}
    sources, state = Sources({0: PartitionState(0)}, catalogue, 1), Merging(0, 1, catalogue)
    times, rows, scores = hours(0, 12)
    rows.numeric[times >= START + np.timedelta64(6 * HOUR, "us"), 0] -= 20
    sources.take(Place(0, 0, APPENDED), batch(DIGEST, times, rows, scores), watched())
    for _, word in sources.words({0}):
        state.take(word)
    state.advance(100)
    return state


@dataclass
class Watched:
    """What the service has come to."""

    merging: Merging | None

    @property
    def progress(self) -> Progress:
        """Now."""
        return progress([self.merging], APPENDED / 1e6 + 90) if self.merging else {}


@dataclass
class Told:
    """What the workers told of incidents, by model; None: it can't be read."""

    by_model: Mapping[str, Sequence[Incident]] | None

    async def known(self) -> Mapping[str, Sequence[Incident]]:
        """All."""
        if self.by_model is None:
            raise TimeoutError
        return self.by_model

    async def find(self, incident_id: str) -> tuple[str, Incident] | None:
        """One."""
        pairs = [(model, one) for model, there in (await self.known()).items() for one in there]
        return next((pair for pair in pairs if pair[1].incident_id == incident_id), None)


def client(state: Path, role: str | None, there: Merging | None, *, readable: bool = True) -> httpx.AsyncClient:
    make_keys(state)
    settings = Settings(state=state)
    told = {model: watch.record.incidents for model, watch in there.watches.items()} if there else {}
    bundles = Bundles(settings.bundles, settings.trust)
    app = build_app(settings, Health(), Watched(there), Told(told if readable else None), bundles)
    headers = {} if role is None else {"Authorization": f"Bearer {(state / 'tokens' / f'{role}.jwt').read_text()}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service", headers=headers)


async def test_progress_is_told_by_model_bundle_and_role(tmp_path: Path) -> None:
    async with client(tmp_path, "viewer", merging()) as http:
        told = (await http.get("/v1/progress")).json()
    highest = max(hours(0, 12)[0]).astype(np.int64).item()
    assert told == {
        "pumps": {
            DIGEST: {
                "champion": {
                    "watermark": moment(highest).isoformat().replace("+00:00", "Z"),
                    "last_row_age_seconds": 90.0,
                    "rows": 360,
                    "repeats": 0,
                    "too_late": 0,
                    "future": 0,
                    "windows": 11,
                }
            }
        }
    }


async def test_incidents_are_told_with_their_features(tmp_path: Path) -> None:
    async with client(tmp_path, "viewer", merging()) as http:
        [incident] = (await http.get("/v1/incidents")).json()
    assert (incident["model"], incident["digest"], incident["state"]) == ("pumps", DIGEST, "open")
    assert incident["severity"] == "major"
    assert [feature["name"] for feature in incident["features"]] == ["temp"]
    assert incident["onset"] == moment(FIRST + 6 * HOUR).isoformat().replace("+00:00", "Z")
    assert incident["opened"] == (moment(FIRST + 6 * HOUR) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert incident["closed"] is None


async def test_without_state_there_is_nothing_to_tell(tmp_path: Path) -> None:
    async with client(tmp_path, "viewer", None) as http:
        assert (await http.get("/v1/progress")).json() == {}
        assert (await http.get("/v1/incidents")).json() == []


@pytest.mark.parametrize("path", ["/v1/incidents", "/v1/incidents/some/explain"])
async def test_while_incidents_can_not_be_known_it_says_when_to_ask_again(tmp_path: Path, path: str) -> None:
    async with client(tmp_path, "viewer", merging(), readable=False) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["error"]["field"] == "incidents"


@pytest.mark.parametrize("path", ["/v1/progress", "/v1/incidents", "/v1/incidents/some/explain"])
async def test_a_token_of_a_fitting_role_is_needed(tmp_path: Path, path: str) -> None:
    async with client(tmp_path, None, merging()) as http:
        assert (await http.get(path)).status_code == 401
        assert (await http.get(path, headers={"Authorization": "Bearer nonsense"})).status_code == 401
    async with client(tmp_path, "client", merging()) as http:
        assert (await http.get(path)).status_code == 403
        assert (await http.post(path, json={})).status_code == 405
        assert (await http.get(path + "/more")).status_code == 404


async def test_an_incident_is_explained_by_segments_where_there_is_no_log(tmp_path: Path) -> None:
    there = merging()
    [incident] = there.watches["pumps"].record.incidents
    async with client(tmp_path, "viewer", there) as http:
        told = (await http.get(f"/v1/incidents/{incident.incident_id}/explain")).json()
        nothing = await http.get("/v1/incidents/nothing/explain")
        assert nothing.status_code == 404
        assert nothing.json()["error"]["field"] == "incident_id"
    assert [feature["told"]["name"] for feature in told["features"]] == ["temp"]
    assert (told["slices_from"], told["looked_at"], told["severity"]) == ("segments", 0, "major")
    assert DIGEST in told["why"]  # its bundle is not in the store
    assert told["lines"][0].startswith(f"major incident {incident.incident_id} of pumps, open")
    assert "temp: " in told["lines"][1]
