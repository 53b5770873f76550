"""Bad input to every route: 4xx that names the field, never 5xx; no token or a wrong role: 401, 403."""

import json
from dataclasses import dataclass, field

import httpx
import pytest

from services.governance.store.desk import Desk
from tests.unit.governance.conftest import Bundles
from tests.unit.governance.world import bearer

WRONG: tuple[object, ...] = (None, [], {}, True, "", "\0", "\ud800", "x" * 3_000, -1, 1e300)
DIGEST, ID = "f" * 64, "e" * 32


@dataclass(frozen=True)
class Route:
    """One route: who may, a good body or query, and names in its path."""

    method: str
    path: str
    role: str
    body: dict[str, object] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()


POSTS = (
    Route("POST", "/v1/models", "operator", {"digest": DIGEST}),
    Route("POST", "/v1/approvals", "operator", {"model": "small", "digest": DIGEST}),
    Route(
        "POST", f"/v1/approvals/{ID}/decision", "approver", {"digest": DIGEST, "decision": "approve", "reason": "good"}
    ),
    Route("POST", "/v1/tokens", "admin", {"subject": "ada", "role": "approver", "hours": 1}),
)
GETS = (
    Route("GET", "/v1/models", "viewer"),
    Route("GET", "/v1/models/small", "viewer", names=("model",)),
    Route("GET", f"/v1/models/small/versions/{DIGEST}", "viewer", names=("model", "digest")),
    Route("GET", "/v1/deployments/small", "viewer", names=("model",)),
    Route("GET", "/v1/approvals", "viewer", queries=("state", "model", "limit")),
    Route("GET", f"/v1/approvals/{ID}", "viewer", names=("approval_id",)),
    Route("GET", "/v1/models/small/windows", "viewer", names=("model",), queries=("start", "end", "role", "limit")),
    Route("GET", f"/v1/models/small/windows/{ID}", "viewer", names=("model", "window_id")),
    Route(
        "GET",
        "/v1/models/small/series?name=temp",
        "viewer",
        names=("model",),
        queries=("statistic", "part", "start", "end", "role", "points"),
    ),
    Route("GET", "/v1/incidents", "viewer", queries=("model", "state", "limit")),
    Route("GET", "/v1/audit", "auditor", queries=("before", "limit")),
)


@pytest.fixture
async def ask(client: httpx.AsyncClient, bundles: Bundles, desk: Desk) -> httpx.AsyncClient:
    """A client to a service that knows the model `small`."""
    desk.register(bundles.champion, "olive")
    return client


def allowed(route: Route, bundles: Bundles) -> dict[str, str]:
    return {**bearer(bundles.state, "someone", route.role), "Content-Type": "application/json"}  # type: ignore[arg-type]


def field_of(answer: httpx.Response) -> str:
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    problem = answer.json()["error"]
    assert problem["expected"]
    return str(problem["field"]).removeprefix("query.").removeprefix("path.")


@pytest.mark.parametrize("route", POSTS + GETS, ids=lambda route: f"{route.method} {route.path}")
async def test_no_token_is_401_and_a_wrong_role_403(ask: httpx.AsyncClient, bundles: Bundles, route: Route) -> None:
    body = {"json": route.body} if route.method == "POST" else {}
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
        answer = await ask.request(route.method, route.path, headers=headers, **body)  # type: ignore[arg-type]
        assert (answer.status_code, field_of(answer)) == (401, "Authorization")
    answer = await ask.request(route.method, route.path, headers=bearer(bundles.state, "carl", "client"), **body)  # type: ignore[arg-type]
    assert (answer.status_code, field_of(answer)) == (403, "Authorization")


@pytest.mark.parametrize("route", POSTS, ids=lambda route: route.path)
async def test_each_field_of_a_body_is_needed_and_typed(ask: httpx.AsyncClient, bundles: Bundles, route: Route) -> None:
    headers = allowed(route, bundles)
    for name in route.body:
        without = {key: value for key, value in route.body.items() if key != name}
        assert field_of(await ask.post(route.path, json=without, headers=headers)) == name
        for wrong in WRONG:
            body = {**route.body, name: wrong}
            answer = await ask.post(route.path, content=_json(body), headers=headers)
            assert (answer.status_code, field_of(answer)) == (422, name), wrong
    answer = await ask.post(route.path, json={**route.body, "colour": "red"}, headers=headers)
    assert (answer.status_code, field_of(answer)) == (422, "colour")


def _json(body: dict[str, object]) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize("route", POSTS, ids=lambda route: route.path)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"text"',
        b"NaN",
        b"{",
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"digest": NaN}',
        b'{"a": 1e999}',
    ],
    ids=lambda body: repr(body[:16]),
)
async def test_a_body_that_is_no_good_json_object_is_refused(
    ask: httpx.AsyncClient, bundles: Bundles, route: Route, body: bytes
) -> None:
    assert field_of(await ask.post(route.path, content=body, headers=allowed(route, bundles)))


@pytest.mark.parametrize("route", POSTS, ids=lambda route: route.path)
async def test_a_number_that_is_not_finite_is_refused(ask: httpx.AsyncClient, bundles: Bundles, route: Route) -> None:
    for name in route.body:
        for number in ("NaN", "Infinity", "-Infinity", "1e999"):
            body = _json({**route.body, name: "NUMBER"}).replace(b'"NUMBER"', number.encode())
            answer = await ask.post(route.path, content=body, headers=allowed(route, bundles))
            assert (answer.status_code, field_of(answer)) == (422, name)


@pytest.mark.parametrize("route", POSTS, ids=lambda route: route.path)
async def test_a_large_body_is_refused(ask: httpx.AsyncClient, bundles: Bundles, route: Route) -> None:
    answer = await ask.post(route.path, content=b" " * 20 * 2**20, headers=allowed(route, bundles))
    assert (answer.status_code, field_of(answer)) == (413, "body")


@pytest.mark.parametrize("route", GETS, ids=lambda route: route.path)
async def test_queries_and_paths_are_checked(ask: httpx.AsyncClient, bundles: Bundles, route: Route) -> None:
    headers = allowed(route, bundles)
    for name in route.queries:
        for wrong in ("", "NaN", "-1", "1e999", "%00", "'; DROP TABLE audit", "9" * 400):
            answer = await ask.get(_with(route.path, name, wrong), headers=headers)
            assert (answer.status_code, field_of(answer)) == (422, name), wrong
    if route.queries:
        answer = await ask.get(_with(route.path, "colour", "red"), headers=headers)
        assert (answer.status_code, field_of(answer)) == (422, "colour")
    for name in route.names:
        known = {"model": "small", "digest": DIGEST, "approval_id": ID, "window_id": ID}[name]
        for wrong in ("UPPER", "a b", "%00", "%F0%9F%92%A9", "x" * 300):
            answer = await ask.get(route.path.replace(known, wrong), headers=headers)
            assert (answer.status_code, field_of(answer)) == (422, name), wrong


def _with(path: str, name: str, value: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{name}={value}"


@pytest.mark.parametrize("route", GETS, ids=lambda route: route.path)
async def test_what_is_not_there_is_404_and_named(ask: httpx.AsyncClient, bundles: Bundles, route: Route) -> None:
    headers = allowed(route, bundles)
    if "model" in route.names:
        answer = await ask.get(route.path.replace("small", "unknown"), headers=headers)
        assert (answer.status_code, field_of(answer)) == (404, "model")
    for name in set(route.names) - {"model"}:
        answer = await ask.get(route.path, headers=headers)
        assert (answer.status_code, field_of(answer)) == (404, name)


async def test_posts_about_what_is_not_there_are_refused(ask: httpx.AsyncClient, bundles: Bundles) -> None:
    operator = bearer(bundles.state, "olive", "operator")
    answer = await ask.post("/v1/approvals", json={"model": "unknown", "digest": DIGEST}, headers=operator)
    assert (answer.status_code, field_of(answer)) == (404, "model")
    answer = await ask.post("/v1/approvals", json={"model": "small", "digest": DIGEST}, headers=operator)
    assert (answer.status_code, field_of(answer)) == (404, "digest")
    answer = await ask.post(POSTS[2].path, json=POSTS[2].body, headers=bearer(bundles.state, "ada", "approver"))
    assert (answer.status_code, field_of(answer)) == (404, "approval_id")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"hours": 24 * 365 + 1}, "hours"),
        ({"hours": 0}, "hours"),
        ({"hours": "24"}, "hours"),
        ({"subject": "Ada"}, "subject"),
        ({"subject": "ada\n"}, "subject"),
        ({"subject": "ada lovelace"}, "subject"),
        ({"role": "king"}, "role"),
        ({"role": "service"}, "body"),
        ({"subject": "service:retrain_trigger"}, "body"),
    ],
)
async def test_tokens_are_issued_within_bounds(
    ask: httpx.AsyncClient, bundles: Bundles, change: dict[str, object], named: str
) -> None:
    body = {"subject": "ada", "role": "approver", "hours": 1, **change}
    answer = await ask.post("/v1/tokens", json=body, headers=bearer(bundles.state, "root", "admin"))
    assert (answer.status_code, field_of(answer)) == (422, named)


async def test_a_cookie_is_no_token_for_the_api(ask: httpx.AsyncClient, bundles: Bundles) -> None:
    value = bearer(bundles.state, "root", "admin")["Authorization"].removeprefix("Bearer ")
    answer = await ask.get("/v1/models", headers={"Cookie": f"driftline_token={value}"})
    assert answer.status_code == 401


async def test_unknown_routes_and_methods_are_refused_as_json(ask: httpx.AsyncClient, bundles: Bundles) -> None:
    headers = bearer(bundles.state, "root", "admin")
    assert (await ask.get("/v1/nothing", headers=headers)).status_code == 404
    answer = await ask.delete("/v1/models", headers=headers)
    assert answer.status_code == 405
    assert answer.json()["error"]["expected"]
