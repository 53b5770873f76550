"""`driftline explain`, and `forget`, where there is no one to ask, or someone else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from cli.errors import UserError
from cli.explain import _get
from cli.forget import _post

PATH = "/v1/incidents/one/explain"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "tokens").mkdir()
    for role in ("viewer", "admin"):
        (tmp_path / "tokens" / f"{role}.jwt").write_text("token\n")
    return tmp_path


@asynccontextmanager
async def answering(body: bytes, status: int = 200) -> AsyncIterator[str]:
    """The address of a server that answers everything alike."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, content_type="text/html", charset="latin-9")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_an_address_at_which_no_one_answers_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir()
    with pytest.raises(UserError, match="no token of 'viewer'"):
        await _get("http://127.0.0.1:1", PATH, tmp_path)
    (tmp_path / "tokens" / "viewer.jwt").write_text("token")
    with pytest.raises(UserError, match=r"at http://127.0.0.1:1 cannot be reached"):
        await _get("http://127.0.0.1:1", PATH, tmp_path)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b"", b"null", b'{"lines": [1]}', b'"\xff\xfe"'])
async def test_an_answer_that_is_none_of_driftlines_is_one_line(state: Path, body: bytes) -> None:
    async with answering(body) as address:
        with pytest.raises(UserError, match=r"\(no JSON\)|it tells no lines"):
            await _get(address, PATH, state)
        with pytest.raises(UserError, match=r"\(no JSON\)|it tells no tables"):
            await _post(address, {"entity": "ann"}, state)


async def test_an_explanation_is_told(state: Path) -> None:
    async with answering(b'{"lines": ["temp moved"]}') as address:
        assert await _get(address, PATH, state) == {"lines": ["temp moved"]}


async def test_a_page_of_an_error_is_shown_in_one_line(state: Path) -> None:
    async with answering(b"<html>\n\x1b[31m<p>no\xff</p>", 502) as address:
        with pytest.raises(UserError, match=r"^GET /v1/incidents/one/explain: 502 <html>  \[31m<p>no.</p>$"):
            await _get(address, PATH, state)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"one\ntwo"])
async def test_a_file_that_holds_no_token_is_named(state: Path, content: bytes) -> None:
    (state / "tokens" / "viewer.jwt").write_bytes(content)
    with pytest.raises(UserError, match=r"viewer.jwt holds no token$"):
        await _get("http://127.0.0.1:1", PATH, state)
