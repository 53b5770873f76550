"""The HTTP API: what it answers, and to whom."""

import httpx
import pytest
from fastapi import FastAPI

from services.governance.store.desk import Desk
from shared.tokens import TokenVerifier
from tests.bundles import definition_text, make_bundle
from tests.unit.governance.conftest import Bundles
from tests.unit.governance.world import START, bearer, evaluated, incident_opened, window

OPERATOR, VIEWER = ("olive", "operator"), ("vera", "viewer")


class People:
    """Asks as somebody."""

    def __init__(self, client: httpx.AsyncClient, bundles: Bundles) -> None:
        self._client = client
        self._state = bundles.state

    async def get(self, path: str, role: str = "viewer") -> httpx.Response:
        return await self._client.get(path, headers=bearer(self._state, f"{role}-1", role))  # type: ignore[arg-type]

    async def post(self, path: str, body: object, subject: str, role: str) -> httpx.Response:
        return await self._client.post(path, json=body, headers=bearer(self._state, subject, role))  # type: ignore[arg-type]

    async def decide(self, approval: dict[str, str], subject: str, decision: str = "approve") -> httpx.Response:
        word = {"digest": approval["digest"], "decision": decision, "reason": "looked at it"}
        return await self.post(f"/v1/approvals/{approval['approval_id']}/decision", word, subject, "approver")


@pytest.fixture
def people(client: httpx.AsyncClient, bundles: Bundles) -> People:
    return People(client, bundles)


@pytest.fixture
async def asked(people: People, bundles: Bundles) -> dict[str, str]:
    """An open approval of the champion, asked for by olive."""
    await people.post("/v1/models", {"digest": bundles.champion}, *OPERATOR)
    wanted = {"model": "small", "digest": bundles.champion}
    answer: dict[str, str] = (await people.post("/v1/approvals", wanted, *OPERATOR)).json()
    return answer


async def test_registering_answers_201_then_200_with_the_same(people: People, bundles: Bundles) -> None:
    first = await people.post("/v1/models", {"digest": bundles.champion}, *OPERATOR)
    again = await people.post("/v1/models", {"digest": bundles.champion}, "oscar", "operator")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["registered_by"] == "olive"


async def test_from_registration_to_serving(people: People, asked: dict[str, str], bundles: Bundles) -> None:
    opened = await people.get("/v1/approvals?state=open")
    assert [approval["approval_id"] for approval in opened.json()] == [asked["approval_id"]]
    assert (await people.decide(asked, "ada")).json()["state"] == "open"
    done = await people.decide(asked, "grace")
    assert (done.status_code, done.json()["state"]) == (200, "approved")
    assert (await people.get("/v1/approvals?state=open")).json() == []
    serving = (await people.get("/v1/deployments/small")).json()
    assert (serving["current"]["champion"], serving["current"]["revision"]) == (bundles.champion, 1)
    assert serving["current"]["approvers"] == ["ada", "grace"]
    (model,) = (await people.get("/v1/models")).json()
    assert (model["name"], model["serving"]["champion"]) == ("small", bundles.champion)


async def test_a_version_shows_lineage_evaluation_signer_and_parent(
    people: People, bundles: Bundles, desk: Desk
) -> None:
    desk.register(bundles.challenger, "olive")
    answer = await people.get(f"/v1/models/small/versions/{bundles.challenger}")
    version = answer.json()
    assert version["lineage"]["snapshot"]["rows"] == 600
    assert version["evaluation"]["metrics"]["log_loss"] == 0.50
    assert (version["signer"], version["parent_digest"]) == ("retrain_trigger", bundles.champion)


async def test_an_automatic_approval_shows_the_figures_to_decide_by(
    people: People, bundles: Bundles, desk: Desk
) -> None:
    from services.governance.domain.registry import challenger

    event = evaluated(bundles.challenger, bundles.champion)
    desk.registrar.challenger(event, challenger(desk.bundle(bundles.challenger), event))
    (approval,) = (await people.get("/v1/approvals?state=open&model=small")).json()
    detail = (await people.get(f"/v1/approvals/{approval['approval_id']}")).json()
    assert detail["requested_by"] == "service:retrain_trigger"
    assert detail["run"]["evaluation"]["challenger"]["metrics"]["log_loss"] == 0.475


async def test_refusals_have_their_status(people: People, asked: dict[str, str]) -> None:
    wrong = {**asked, "digest": "f" * 64}
    assert (await people.decide(wrong, "ada")).status_code == 409
    assert (await people.decide(asked, "olive")).status_code == 403
    assert (await people.decide(asked, "ada")).status_code == 200
    repeated = await people.decide(asked, "ada")
    assert repeated.status_code == 409
    assert repeated.json()["error"] == {"field": "subject", "expected": "ada has decided already"}
    assert (await people.decide(asked, "grace", "reject")).json()["state"] == "rejected"
    closed = await people.decide(asked, "linus")
    assert (closed.status_code, closed.json()["error"]["field"]) == (409, "approval_id")


async def test_admin_may_do_everything_but_approve(people: People, asked: dict[str, str]) -> None:
    word = {"digest": asked["digest"], "decision": "approve", "reason": "because"}
    path = f"/v1/approvals/{asked['approval_id']}/decision"
    assert (await people.post(path, word, "root", "admin")).status_code == 403
    assert (await people.get("/v1/audit", "admin")).status_code == 200


async def test_windows_series_and_incidents(people: People, asked: dict[str, str], desk: Desk) -> None:
    for hour in range(4):
        desk.registrar.note(window(hour, psi=hour / 4))
    desk.registrar.note(incident_opened())
    listed = (await people.get("/v1/models/small/windows?limit=3")).json()
    assert [entry["start"] for entry in listed] == [f"2013-03-01T0{hour}:00:00Z" for hour in (3, 2, 1)]
    whole = (await people.get(f"/v1/models/small/windows/{listed[0]['window_id']}")).json()
    assert whole["numeric"][0]["counts"] == [10, 20, 30]
    series = (await people.get("/v1/models/small/series?name=temp&statistic=psi")).json()
    assert series["values"] == [0, 0.25, 0.5, 0.75]
    assert series["times"][0] == int(START.timestamp())
    (incident,) = (await people.get("/v1/incidents?state=open&model=small")).json()
    assert [feature["name"] for feature in incident["features"]] == ["temp"]


async def test_a_model_of_no_windows_has_an_empty_series(people: People, asked: dict[str, str]) -> None:
    series = await people.get("/v1/models/small/series?name=temp")
    assert (series.status_code, series.json()["times"]) == (200, [])
    assert (await people.get("/v1/models/small/windows")).json() == []


async def test_the_audit_log_is_read_newest_first_in_parts(people: People, asked: dict[str, str]) -> None:
    newest = (await people.get("/v1/audit?limit=1", "auditor")).json()
    assert [entry["action"] for entry in newest] == ["approval.requested"]
    older = (await people.get(f"/v1/audit?before={newest[0]['seq']}", "auditor")).json()
    assert [entry["action"] for entry in older] == ["model.registered"]


async def test_an_issued_token_is_good_and_logged_without_the_token(
    people: People, bundles: Bundles, client: httpx.AsyncClient
) -> None:
    wanted = {"subject": "ada", "role": "approver", "hours": 24}
    answer = await people.post("/v1/tokens", wanted, "root", "admin")
    assert answer.status_code == 201
    issued = answer.json()
    who = TokenVerifier(bundles.state / "trust").verify(issued["token"])
    assert (who.subject, who.role) == ("ada", "approver")
    asked = await client.get("/v1/models", headers={"Authorization": f"Bearer {issued['token']}"})
    assert asked.status_code == 200
    (entry,) = (await people.get("/v1/audit", "auditor")).json()
    assert (entry["actor"], entry["subject"], entry["payload"]["role"]) == ("root", "ada", "approver")
    assert issued["token"] not in str(entry)


async def test_a_bundle_that_does_not_verify_is_not_registered(people: People) -> None:
    answer = await people.post("/v1/models", {"digest": "f" * 64}, *OPERATOR)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "digest")


async def test_a_version_may_add_and_drop_features_but_not_give_one_another_type(
    people: People, bundles: Bundles
) -> None:
    def made(text: str) -> dict[str, str]:
        return {"digest": make_bundle(bundles.state, text)}

    retyped = definition_text().replace('name = "carrier"\nkind = "categorical"', 'name = "carrier"\nkind = "numeric"')
    assert (
        await people.post("/v1/models", made(retyped.replace('"small"', '"another"')), *OPERATOR)
    ).status_code == 201
    assert (await people.post("/v1/models", {"digest": bundles.champion}, *OPERATOR)).status_code == 201
    assert (await people.post("/v1/models", made(definition_text(numeric=True)), *OPERATOR)).status_code == 201
    answer = await people.post("/v1/models", made(retyped), *OPERATOR)  # though the newest version has no carrier
    error = answer.json()["error"]
    assert (answer.status_code, error["field"]) == (422, "features.2.kind")
    assert "carrier is string in the feature log and can't become float" in error["expected"]
    hashed = definition_text().replace('kind = "categorical"', 'kind = "categorical"\nsensitive = "hash"')
    error = (await people.post("/v1/models", made(hashed), *OPERATOR)).json()["error"]
    assert (error["field"], "can't become hashed" in error["expected"]) == ("features.2.sensitive", True)


def test_every_route_is_described_with_its_answers_and_errors(app: FastAPI) -> None:
    described = app.openapi()
    routes = [
        (path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/v1")
    ]
    assert len(routes) == 17
    for path, method, operation in routes:
        told = operation["responses"]
        assert operation["tags"], path
        assert operation["description"], path
        assert {"401", "403", "422"} <= set(told), (path, method)
        assert told["422"]["content"]["application/json"]["schema"]["$ref"].endswith("ProblemBody"), path
        good = told.get("201") or told["200"]
        assert good["content"]["application/json"]["schema"], path
        assert "404" in told or path in ("/v1/models", "/v1/approvals", "/v1/incidents", "/v1/audit", "/v1/tokens")
    assert not [path for path in described["paths"] if path.startswith("/page")]
