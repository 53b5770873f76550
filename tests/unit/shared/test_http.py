import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.http import Health
from shared.http.errors import error_response
from shared.keys import make_keys
from shared.settings import ServiceSettings
from shared.signing import load_private_key
from shared.tokens import RoleName, issue
from tests.unit.shared.http_app import make_app

GOOD: dict[str, Any] = {"name": "a", "value": 1.5, "at": "2013-03-15T16:00:00Z"}
TEXT = '{"name": "a", "value": %s, "at": "2013-03-15T16:00:00Z"}'
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    make_keys(folder)
    return folder


@pytest.fixture
def health() -> Health:
    return Health("waiting for deployments")


@pytest.fixture
async def client(state: Path, health: Health) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(ServiceSettings(state=state), health)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as known:
        yield known


def field(answer: httpx.Response) -> str:
    """The field an error names; its form is always the same."""
    content = answer.json()
    assert set(content) == {"error"}
    assert set(content["error"]) == {"field", "expected"}
    assert content["error"]["expected"]
    return str(content["error"]["field"])


async def test_a_sound_body_is_taken(client: httpx.AsyncClient) -> None:
    answer = await client.post("/readings", json=GOOD)
    assert (answer.status_code, answer.json()) == (200, {"name": "a", "limit": "3"})


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (TEXT % "NaN", "value"),
        (TEXT % "Infinity", "value"),
        (TEXT % "-Infinity", "value"),
        (TEXT % "1e400", "value"),
        (TEXT % ("9" * 400), "value"),
        (TEXT % "true", "value"),
        (TEXT % '"1"', "value"),
        (TEXT % "null", "value"),
        (TEXT % "[1]", "value"),
        (TEXT.replace('"a"', r'"\ud800"') % "1", "name"),
        (TEXT.replace('"a"', '"' + "a" * 21 + '"') % "1", "name"),
        (TEXT.replace("15T16", "32T16") % "1", "at"),
        (TEXT.replace("00Z", "00") % "1", "at"),
        ('{"colour": 1, ' + TEXT[1:] % "1", "colour"),
        (r'{"\ud800": NaN, ' + TEXT[1:] % "1", "body"),
        ('{"' + "x" * 100_000 + '": 1, ' + TEXT[1:] % "1", "x" * 300),
        ("", "body"),
        ("null", "body"),
        ("[]", "body"),
        ("3", "body"),
        ('"text"', "body"),
        ("{", "body"),
        ("{}", "name"),
        ("\0", "body"),
        ("[" * 200_000, "body"),
        (TEXT % ("9" * 5_000), "body"),
        ('{"nested": ' + "[" * 900 + "]" * 900 + ", " + TEXT[1:] % "NaN", "value"),
    ],
)
async def test_a_wrong_body_is_422_or_400_and_names_the_field(client: httpx.AsyncClient, body: str, named: str) -> None:
    answer = await client.post("/readings", content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert field(answer) == named
    assert len(answer.content) < 1_000  # nothing of the input comes back


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b'{"name": "\xff"}', TEXT.encode("utf-16") + b"\xff"])
async def test_a_body_that_is_not_utf8_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/readings", content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert field(answer) == "body"


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "nonsense", "", "application/x-www-form-urlencoded"])
async def test_another_content_type_is_refused(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.post("/readings", content=TEXT % "1", headers={"content-type": kind})
    assert answer.status_code == 422
    assert field(answer) == "body"


async def test_a_wrong_parameter_is_named_with_its_place(client: httpx.AsyncClient) -> None:
    answer = await client.post("/readings?limit=many", json=GOOD)
    assert (answer.status_code, field(answer)) == (422, "query.limit")


@pytest.mark.parametrize("path", ["/who", "/page", "/approve", "/openapi.json"])
async def test_a_parameter_that_the_route_does_not_take_is_refused_everywhere(
    client: httpx.AsyncClient, state: Path, path: str
) -> None:
    headers = bearer(state, "approver" if path == "/approve" else "viewer")
    answer = await client.get(f"{path}?zz=1", headers=headers)
    assert (answer.status_code, field(answer)) == (422, "query.zz")
    assert answer.json()["error"]["expected"] == "Extra inputs are not permitted"
    assert (await client.get(path, headers=headers)).status_code == 200
    assert (await client.get(f"{path}?zz=1")).status_code == 401


async def test_parameters_that_the_route_takes_are_taken(client: httpx.AsyncClient, state: Path) -> None:
    assert (await client.get("/who?most=2", headers=bearer(state, "viewer"))).status_code == 200
    assert (await client.get("/page?before=2", headers=bearer(state, "viewer"))).json() == {"before": 2}
    assert field(await client.get("/who?limit=2", headers=bearer(state, "viewer"))) == "query.limit"


async def test_invalid_input_is_422_and_names_the_field(client: httpx.AsyncClient) -> None:
    answer = await client.post("/refused", json=GOOD | {"name": "é"})
    assert (answer.status_code, field(answer)) == (422, "reading é")


def test_a_text_that_utf8_can_not_carry_does_not_break_the_answer() -> None:
    assert json.loads(bytes(error_response(422, "no \udfff", "\ud800").body)) == {
        "error": {"field": "?", "expected": "no ?"}
    }


async def test_an_unknown_route_and_a_wrong_method_are_json_too(client: httpx.AsyncClient) -> None:
    unknown, wrong = await client.get("/nowhere/%ff/%00"), await client.get("/readings")
    assert (unknown.status_code, field(unknown)) == (404, "path")
    assert (wrong.status_code, field(wrong), wrong.headers["allow"]) == (405, "method", "POST")


async def test_a_failure_of_the_service_is_json_and_tells_no_detail(client: httpx.AsyncClient) -> None:
    answer = await client.get("/crash")
    assert answer.status_code == 500
    assert field(answer) == ""
    assert "secret" not in answer.text


async def test_ready_tells_why_not(client: httpx.AsyncClient, health: Health) -> None:
    waiting = await client.get("/ready")
    assert (waiting.status_code, waiting.json()) == (503, {"status": "waiting for deployments"})
    health.ready()
    ready = await client.get("/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    health.not_ready("no broker")
    assert (await client.get("/ready")).json() == {"status": "no broker"}
    assert (await client.get("/live")).status_code == 200
    assert "process_cpu_seconds" in (await client.get("/metrics")).text


def pieces(total: int) -> Iterator[bytes]:
    """`total` bytes in pieces, as a client sends a body without a content-length."""
    for _ in range(total // 65_536):
        yield b" " * 65_536


async def stream(total: int) -> AsyncIterator[bytes]:
    for piece in pieces(total):
        yield piece


async def test_a_body_of_20_mb_is_413_with_and_without_a_length(client: httpx.AsyncClient) -> None:
    told = await client.post("/readings", content=b" " * 20_000_000, headers=JSON)
    untold = await client.post("/readings", content=stream(20_000_000), headers=JSON)
    for answer in (told, untold):
        assert (answer.status_code, field(answer)) == (413, "body")
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["9" * 20, "9" * 5_000, "0" * 30 + "99999999"])
async def test_a_length_told_at_any_length_is_not_believed(client: httpx.AsyncClient, length: str) -> None:
    answer = await client.post("/readings", content=b"{}", headers=JSON | {"content-length": length})
    assert answer.status_code in (413, 422)


async def test_a_body_just_within_the_limit_is_read(client: httpx.AsyncClient) -> None:
    text = (TEXT % "1").encode()
    answer = await client.post("/readings", content=text + b" " * (16 * 2**20 - len(text)), headers=JSON)
    assert answer.status_code == 200
    answer = await client.post("/readings", content=text + b" " * (16 * 2**20 - len(text) + 1), headers=JSON)
    assert answer.status_code == 413


def bearer(state: Path, role: RoleName, hours: float = 1) -> dict[str, str]:
    key = load_private_key(state / "keys" / "governance.pem")
    return {"authorization": f"Bearer {issue(key, 'alice', role, hours)}"}


async def test_a_token_of_the_role_or_of_admin_opens_the_route(client: httpx.AsyncClient, state: Path) -> None:
    for role in ("viewer", "client", "admin"):
        answer = await client.get("/who", headers=bearer(state, role))
        assert answer.json() == {"subject": "alice", "role": role}


async def test_another_role_is_403_and_admin_does_not_approve(client: httpx.AsyncClient, state: Path) -> None:
    for path, role in (("/who", "auditor"), ("/approve", "admin"), ("/approve", "operator")):
        answer = await client.get(path, headers=bearer(state, role))  # type: ignore[arg-type]
        assert (answer.status_code, field(answer)) == (403, "Authorization")
    assert (await client.get("/approve", headers=bearer(state, "approver"))).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer x.y.z", "Bearer " + "a" * 9_999, b"Bearer \xff\xfe", "bearer é"],
)
async def test_no_token_or_a_bad_one_is_401(client: httpx.AsyncClient, header: str | bytes) -> None:
    raw = header if isinstance(header, bytes) else header.encode("latin-1")
    answer = await client.get("/who", headers={b"authorization": raw})
    assert (answer.status_code, field(answer)) == (401, "Authorization")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_that_has_expired_is_401(client: httpx.AsyncClient, state: Path) -> None:
    answer = await client.get("/who", headers=bearer(state, "viewer", hours=-1))
    assert answer.status_code == 401


async def test_a_pages_cookie_counts_only_without_a_header(client: httpx.AsyncClient, state: Path) -> None:
    token = bearer(state, "viewer")["authorization"].removeprefix("Bearer ")
    cookie = {"cookie": f"driftline_token={token}"}
    assert (await client.get("/who", headers=cookie)).status_code == 200
    assert (await client.get("/who", headers=cookie | {"authorization": "Basic x"})).status_code == 401


async def test_the_openapi_document_needs_a_token_of_any_role(client: httpx.AsyncClient, state: Path) -> None:
    assert (await client.get("/openapi.json", headers={"Authorization": ""})).status_code == 401
    assert (await client.get("/docs")).status_code == 404
    answer = await client.get("/openapi.json", headers=bearer(state, "viewer"))
    assert answer.status_code == 200
    assert "/ready" in answer.json()["paths"]
