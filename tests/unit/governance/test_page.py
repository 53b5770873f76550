"""The page without a browser: who gets in, what it shows, what it refuses."""

import re
from pathlib import Path

import httpx
import pytest

from services.governance.domain.registry import challenger
from services.governance.store.desk import Desk
from tests.unit.governance.conftest import Bundles
from tests.unit.governance.test_registrar import promote_champion
from tests.unit.governance.world import evaluated, incident_opened, run_decided, token, window

SCRIPTED = {"HX-Request": "true"}
STATIC = Path(__file__).parents[3] / "services" / "governance" / "page" / "static"


@pytest.fixture
def story(desk: Desk, bundles: Bundles) -> Desk:
    """A champion serves, its data drifted, a challenger waits for approval."""
    promote_champion(desk, bundles)
    for hour in range(330, 345):
        desk.registrar.note(window(hour, psi=2.0 if hour >= 336 else 0.05, digest=bundles.champion))
    desk.registrar.note(incident_opened(digest=bundles.champion))
    desk.registrar.note(run_decided("wait"))
    desk.registrar.note(run_decided("run"))
    event = evaluated(bundles.challenger, bundles.champion)
    desk.registrar.challenger(event, challenger(desk.bundle(bundles.challenger), event))
    return desk


async def enter(client: httpx.AsyncClient, bundles: Bundles, subject: str, role: str) -> httpx.Response:
    form = {"token": token(bundles.state, subject, role)}  # type: ignore[arg-type]
    return await client.post("/page/login", data=form, headers=SCRIPTED)


def waiting(html: str) -> tuple[str, str]:
    """Id and digest of the first approval on the page."""
    found = re.search(r'id="approval-([0-9a-f]{32})"', html)
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', html)
    assert found
    return found[1], digest[1] if digest else ""


async def test_without_a_cookie_every_way_leads_to_the_login(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).headers["location"] == "/page/"
    for path in ("/page/", "/page/models/small", "/page/audit", "/page/models/small/series?stream=feature:temp"):
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/page/login")
        part = await client.get(path, headers=SCRIPTED)
        assert (part.status_code, part.headers["hx-redirect"]) == (401, "/page/login")
    assert "Paste a token" in (await client.get("/page/login")).text


async def test_a_good_token_becomes_a_cookie_that_no_script_reads(client: httpx.AsyncClient, bundles: Bundles) -> None:
    answer = await enter(client, bundles, "vera", "viewer")
    assert answer.headers["hx-redirect"] == "/page/"
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/page", "max-age="))
    assert (await client.get("/page/")).status_code == 200
    assert (await client.post("/page/logout", headers=SCRIPTED)).headers["hx-redirect"] == "/page/login"
    assert (await client.get("/page/")).status_code == 303


@pytest.mark.parametrize("wrong", ["", "nonsense", "a.b.c", "\0", "x" * 5_000])
async def test_a_bad_token_gets_nobody_in(client: httpx.AsyncClient, wrong: str) -> None:
    answer = await client.post("/page/login", data={"token": wrong}, headers=SCRIPTED)
    assert answer.status_code in (401, 422)
    assert "set-cookie" not in answer.headers


async def test_a_client_token_does_not_open_the_page(client: httpx.AsyncClient, bundles: Bundles) -> None:
    await enter(client, bundles, "carl", "client")
    assert (await client.get("/page/")).status_code == 403


async def test_the_model_page_shows_what_serves_what_drifts_and_what_waits(
    client: httpx.AsyncClient, bundles: Bundles, story: Desk
) -> None:
    await enter(client, bundles, "ada", "approver")
    html = (await client.get("/page/models/small")).text
    for shown in (
        f"<code>{bundles.champion[:12]}</code>",
        '<b id="revision">1</b>',
        "by ada and grace",
        "Waiting for approval",
        "0.523",
        "0.475 ✓",
        "15 Mar 2013 00:00",
        "seven days after the onset must be labelled",
        '<option value="feature:temp" selected>',
        '<option value="score:score">',
        f"/page/models/small/versions/{bundles.challenger}",
    ):
        assert shown in html, shown
    assert '<button type="submit" name="decision" value="approve">' in html


@pytest.mark.parametrize(
    ("subject", "role"),
    [("vera", "viewer"), ("root", "admin")],
)
async def test_who_may_not_decide_sees_why_and_no_button(
    client: httpx.AsyncClient, bundles: Bundles, story: Desk, subject: str, role: str
) -> None:
    await enter(client, bundles, subject, role)
    html = (await client.get("/page/models/small")).text
    assert "only role approver decides" in html
    assert 'name="decision"' not in html


async def test_two_people_approve_and_the_challenger_serves(
    client: httpx.AsyncClient, bundles: Bundles, story: Desk
) -> None:
    for name in ("ada", "grace"):
        await enter(client, bundles, name, "approver")
        approval_id, digest = waiting((await client.get("/page/models/small")).text)
        form = {"digest": digest, "decision": "approve", "reason": f"<b>{name}</b> looked"}
        answer = await client.post(f"/page/approvals/{approval_id}/decision", data=form, headers=SCRIPTED)
        assert answer.status_code == 200
        shown = {"ada": "&lt;b&gt;ada&lt;/b&gt; looked", "grace": '<b id="revision">2</b>'}[name]
        assert shown in answer.text
        again = await client.post(f"/page/approvals/{approval_id}/decision", data=form, headers=SCRIPTED)
        assert again.status_code == 409
        assert again.headers["hx-retarget"] == "#said"
        assert "the approval is approved" in again.text or "ada has decided already" in again.text
    html = (await client.get("/page/models/small")).text
    assert '<b id="revision">2</b>' in html
    assert f"<code>{bundles.challenger[:12]}</code>" in html
    assert "Waiting for approval" not in html


async def test_a_decision_from_elsewhere_or_by_others_changes_nothing(
    client: httpx.AsyncClient, bundles: Bundles, story: Desk
) -> None:
    await enter(client, bundles, "ada", "approver")
    approval_id, digest = waiting((await client.get("/page/models/small")).text)
    form = {"digest": digest, "decision": "approve", "reason": "forged"}
    path = f"/page/approvals/{approval_id}/decision"
    assert (await client.post(path, data=form)).status_code == 403
    for name, wrong in (("digest", "x"), ("decision", "maybe"), ("reason", " "), ("reason", "\0"), ("colour", "red")):
        answer = await client.post(path, data={**form, name: wrong}, headers=SCRIPTED)
        assert (answer.status_code, name in answer.text) == (422, True), (name, wrong)
    await enter(client, bundles, "vera", "viewer")
    assert (await client.post(path, data=form, headers=SCRIPTED)).status_code == 403
    assert "forged" not in (await client.get("/page/models/small")).text


async def test_the_plot_gets_points_incidents_and_revisions(
    client: httpx.AsyncClient, bundles: Bundles, story: Desk
) -> None:
    await enter(client, bundles, "vera", "viewer")
    series = (await client.get("/page/models/small/series?stream=feature:temp&statistic=psi&days=21")).json()
    assert len(series["times"]) == len(series["values"]) == 15
    assert max(series["values"]) == 2.0
    (incident,) = series["incidents"]
    assert (incident["named"], incident["names"]) == (True, ["temp", "wind"])
    assert incident["onset"] < incident["detected"] <= incident["closed"] == series["end"]
    assert [change["revision"] for change in series["revisions"]] == [1]


async def test_the_histogram_is_that_of_the_chosen_window(
    client: httpx.AsyncClient, bundles: Bundles, story: Desk
) -> None:
    await enter(client, bundles, "vera", "viewer")
    path = "/page/models/small/histogram?stream=feature:temp&statistic=psi&days=21"
    strongest = (await client.get(path)).text
    assert "with the greatest value" in strongest
    assert strongest.count('<rect class="window"') == 3
    assert "below 10: window 16.67 %, reference 30 %" in strongest
    first = int(window(332).start.timestamp())
    assert "14 Mar 2013 20:00" in (await client.get(f"{path}&at={first}&width=3600")).text
    assert "No window" in (await client.get(f"{path}&at=0&width=1")).text


async def test_bad_questions_to_the_page_are_refused(client: httpx.AsyncClient, bundles: Bundles, story: Desk) -> None:
    await enter(client, bundles, "vera", "viewer")
    for path in (
        "/page/models/UPPER",
        "/page/models/small/versions/xyz",
        "/page/models/small/series?stream=temp",
        "/page/models/small/series?stream=feature:temp&statistic=pi",
        "/page/models/small/series?stream=feature:temp&days=NaN",
        "/page/models/small/series?stream=feature:temp&colour=red",
        "/page/models/small/histogram?stream=feature:temp&at=1e99",
        "/page/audit?before=0",
    ):
        assert (await client.get(path)).status_code == 422, path
    for path in (
        "/page/models/unknown",
        f"/page/models/small/versions/{'f' * 64}",
        "/page/nothing",
        "/page/static/x.js",
    ):
        assert (await client.get(path)).status_code == 404, path


async def test_lineage_and_audit_are_shown(client: httpx.AsyncClient, bundles: Bundles, story: Desk) -> None:
    await enter(client, bundles, "otto", "auditor")
    html = (await client.get(f"/page/models/small/versions/{bundles.challenger}")).text
    for shown in (
        bundles.challenger,
        bundles.champion,
        "600 rows",
        "retrain_trigger",
        "metrics.log loss",
        "a feature was all missing",
    ):
        assert shown in html, shown
    assert "model.promoted" in (await client.get("/page/audit")).text
    assert "model.promoted" in (await client.get("/page/")).text
    await enter(client, bundles, "vera", "viewer")
    assert "The audit log is for the roles" in (await client.get("/page/audit")).text


async def test_the_browser_is_told_to_trust_nothing_foreign(client: httpx.AsyncClient) -> None:
    for path in ("/page/login", "/page/static/page.js", "/page/nothing"):
        headers = (await client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    assert (await client.get("/page/login")).headers["cache-control"] == "no-store"


def test_templates_hold_no_inline_script_or_style_and_nothing_foreign() -> None:
    templates = list((STATIC.parent / "templates").glob("*.html"))
    assert len(templates) > 10
    for template in templates:
        text = template.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|https?://|\|\s*safe", text), template.name


def test_vendored_scripts_come_with_their_licences() -> None:
    names = {path.name for path in STATIC.iterdir()}
    for library in ("htmx", "uplot"):
        assert f"{library}-LICENSE.txt" in names
        assert any(re.fullmatch(rf"{library}-[\d.]+\.min\.js", name) for name in names)
