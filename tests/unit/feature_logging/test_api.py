"""The HTTP API, on real tables."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from deltalake import DeltaTable

from services.feature_logging.api import build_app
from services.feature_logging.settings import Settings
from services.feature_logging.stream.intake import Intake
from shared.http import Health
from shared.keys import make_keys
from tests.unit.feature_logging.samples import (
    DIGEST,
    MODEL,
    FakeBundles,
    definition,
    feature_log,
    message,
    prediction_message,
)


async def fill(state: Path) -> None:
    """Two good messages and a bad one."""
    intake = Intake(feature_log(state / "tables"), FakeBundles({DIGEST: definition()}).get)
    await intake.handle(prediction_message(0))
    await intake.reject(message(b"bad", 1), "bad")
    await intake.handle(prediction_message(2, sequence=1, rows_so_far=6))
    await intake.flush()


HOUR = "2013-03-01T00:00:00Z"
COMPLETE = {
    "complete": True,
    "partitions": [
        {
            "topic": "driftline.predictions",
            "partition": 0,
            "first_offset": 0,
            "next_offset": 3,
            "rows": 6,
            "messages": 3,
            "rejected": 1,
            "gaps": [],
            "lost": [],
            "repeats": 0,
            "problems": [],
            "complete": True,
            "proven": 0,
            "head": None,
            "hours": [
                {
                    "hour": "2013-03-02T00:00:00Z",
                    "first_offset": 0,
                    "last_offset": 2,
                    "rows": 6,
                    "messages": 3,
                    "rejected": 1,
                    "repeats": 0,
                    "gaps": [],
                }
            ],
        }
    ],
    "producers": [
        {
            "producer": "p",
            "messages": 2,
            "rows": 6,
            "last_sequence": 1,
            "missing_messages": 0,
            "missing_rows": 0,
            "repeated_messages": 0,
            "holes": [],
        }
    ],
    "problems": [],
    "retired": [],
}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    make_keys(tmp_path)
    await fill(tmp_path)
    settings = Settings(state=tmp_path)
    app = build_app(settings, feature_log(settings.tables), Health())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://driftline") as http:
        yield http


def token(state: Path, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {(state / 'tokens' / f'{name}.jwt').read_text().strip()}"}


async def test_labels_are_told_per_day(client: httpx.AsyncClient, tmp_path: Path) -> None:
    days = {"from": "2013-03-01", "to": "2013-03-01"}
    answer = await client.get("/labels", params={"model": MODEL, **days}, headers=token(tmp_path, "viewer"))
    assert [(day["day"], day["predictions"], day["labelled"]) for day in answer.json()] == [("2013-03-01", 3, 0)]
    wrong = await client.get("/labels", params={"model": MODEL, "to": "1/3"}, headers=token(tmp_path, "viewer"))
    assert (wrong.status_code, "to" in wrong.text) == (422, True)


async def test_completeness_is_answered_to_viewers(client: httpx.AsyncClient, tmp_path: Path) -> None:
    answer = await client.get("/completeness", headers=token(tmp_path, "viewer"))
    assert (answer.status_code, answer.json()) == (200, COMPLETE)


async def test_quality_is_answered_per_hour_and_what_is_asked_wrongly_is_named(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    asked = {"model": MODEL, "from": HOUR, "to": "2013-03-03T00:00:00Z"}
    told = (await client.get("/quality", params=asked, headers=token(tmp_path, "auditor"))).json()
    assert sum(hour["rows"] for hour in told) == 6
    assert {flag["feature"] for hour in told for flag in hour["flags"]} == {"origin"}
    late = "9999-12-31T23:00:00Z"
    for name, value in (("model", "../x"), ("to", "2013-03-02T00:00:00"), ("to", late)):
        answer = await client.get("/quality", params=asked | {name: value}, headers=token(tmp_path, "viewer"))
        assert (answer.status_code, answer.json()["error"]["field"].removeprefix("query.")) == (422, name)
    assert (await client.get("/quality", params=asked)).status_code == 401


@pytest.mark.parametrize("path", ["/quality", "/labels"])
async def test_a_model_without_predictions_is_not_found(client: httpx.AsyncClient, tmp_path: Path, path: str) -> None:
    asked = {"model": "wine"} | ({"from": HOUR, "to": "2013-03-03T00:00:00Z"} if path == "/quality" else {})
    answer = await client.get(path, params=asked, headers=token(tmp_path, "viewer"))
    assert (answer.status_code, answer.json()["error"]["field"]) == (404, "model")


async def test_completeness_is_answered_for_a_part_of_the_log(client: httpx.AsyncClient, tmp_path: Path) -> None:
    async def hours(**wanted: str | int) -> list[int]:
        answer = await client.get("/completeness", params=wanted, headers=token(tmp_path, "viewer"))
        return [len(part["hours"]) for part in answer.json()["partitions"]]

    assert await hours(topic="driftline.predictions", partition=0) == [1]
    assert await hours(topic="driftline.labels") == []
    assert await hours(**{"from": "2013-03-02T00:00:00Z", "to": "2013-03-02T01:00:00Z"}) == [1]
    assert await hours(to="2013-03-02T00:00:00Z") == [0]
    elsewhere = await client.get("/completeness", params={"partition": 1}, headers=token(tmp_path, "viewer"))
    assert (elsewhere.status_code, elsewhere.json()["error"]["field"]) == (404, "query.partition")
    none = await client.get("/completeness", params={"topic": "orders"}, headers=token(tmp_path, "viewer"))
    assert (none.status_code, none.json()["error"]["field"]) == (404, "query.topic")
    assert "driftline.labels or driftline.predictions" in none.json()["error"]["expected"]
    for name, asked in (("from", {"from": "noon"}), ("to", {"from": HOUR, "to": HOUR})):
        wrong = await client.get("/completeness", params=asked, headers=token(tmp_path, "viewer"))
        assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, f"query.{name}")


async def test_nobody_else_is_answered(client: httpx.AsyncClient, tmp_path: Path) -> None:
    assert (await client.get("/completeness")).status_code == 401
    assert (await client.get("/completeness", headers=token(tmp_path, "client"))).status_code == 403
    assert (await client.post("/completeness", headers=token(tmp_path, "viewer"))).status_code == 405
    assert (await client.get("/ready")).status_code == 503


async def test_while_the_disk_refuses_a_commit_the_answer_is_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_keys(tmp_path)
    monkeypatch.setattr("services.feature_logging.api.WAIT_SECONDS", 0.05)
    monkeypatch.setattr("shared.storage.pq.ParquetWriter", no_space)
    settings = Settings(state=tmp_path)
    log = feature_log(settings.tables)
    await Intake(log, FakeBundles({DIGEST: definition()}).get).handle(prediction_message(0))
    commit = asyncio.create_task(log.commit())
    transport = httpx.ASGITransport(build_app(settings, log, Health()))
    async with httpx.AsyncClient(transport=transport, base_url="http://driftline") as http:
        await asyncio.sleep(0)
        answer = await http.get("/completeness", headers=token(tmp_path, "viewer"))
    commit.cancel()
    assert answer.status_code == 503
    assert "commit" in answer.json()["error"]["expected"]


async def test_an_entity_is_forgotten_by_order_of_an_admin(client: httpx.AsyncClient, tmp_path: Path) -> None:
    admin = token(tmp_path, "admin")
    answer = (await client.post("/v1/forget", json={"entity": "N1"}, headers=admin)).json()
    rows = {f"{each['model']}/{each['table']}": each["rows"] for each in answer["tables"]}
    assert (rows, answer["by"], answer["keys_deleted"]) == ({"flights/predictions": 1}, "local-admin", 0)
    records = DeltaTable(tmp_path / "tables" / "_forgotten").to_pyarrow_table().to_pylist()
    assert [(row["id"], row["table"], row["rows"]) for row in sorted(records, key=lambda row: row["rows"] or 0)] == [
        (answer["id"], None, None),
        (answer["id"], "predictions", 1),
    ]
    assert (await client.get("/completeness", headers=token(tmp_path, "viewer"))).json()["complete"] is True


@pytest.mark.parametrize(
    ("role", "body", "status"),
    [
        ("operator", {"entity": "N1"}, 403),
        ("admin", {"entity": ""}, 422),
        ("admin", {"entity": "N1", "modell": MODEL}, 422),
        ("admin", {"entity": "N1", "model": "../wine"}, 422),
        ("admin", {"entity": "N1", "model": ""}, 422),
        ("admin", {}, 422),
        ("admin", {"entity": "N1", "model": "wine"}, 404),
    ],
)
async def test_nothing_is_forgotten_by_others_or_by_mistake(
    client: httpx.AsyncClient, tmp_path: Path, role: str, body: dict[str, str], status: int
) -> None:
    answer = await client.post("/v1/forget", json=body, headers=token(tmp_path, role))
    assert answer.status_code == status
    assert not (tmp_path / "tables" / "_forgotten").exists()


async def test_where_keys_cannot_be_written_that_is_said(client: httpx.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "keys" / "feature_log.sqlite").mkdir()
    answer = await client.post("/v1/forget", json={"entity": "N1"}, headers=token(tmp_path, "admin"))
    assert answer.status_code == 503
    assert "feature_log.sqlite" in answer.json()["error"]["expected"]


def no_space(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")
