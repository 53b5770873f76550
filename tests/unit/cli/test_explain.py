"""`driftline explain` where several workers hold different models."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from cli.errors import UserError
from cli.explain import _ask


@asynccontextmanager
async def worker(incident: str) -> AsyncIterator[str]:
    """One that holds this incident's model; its address."""

    async def explain(request: web.Request) -> web.Response:
        if request.match_info["incident"] != incident:
            return web.json_response({"expected": f"the one here is {incident}"}, status=404)
        return web.json_response({"lines": [incident]})

    app = web.Application()
    app.router.add_get("/v1/incidents/{incident}/explain", explain)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_each_worker_is_asked_until_one_holds_the_incident(tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "viewer.jwt").write_text("token")
    async with worker("one") as first, worker("other") as second:
        for incident in ("one", "other"):
            told = await _ask([first, second], f"/v1/incidents/{incident}/explain", tmp_path)
            assert told["lines"] == [incident]
        with pytest.raises(UserError, match=r"the one here is one.*the one here is other"):
            await _ask([first, second], "/v1/incidents/none/explain", tmp_path)
    with pytest.raises(UserError, match="cannot be reached"):
        await _ask([first], "/v1/incidents/one/explain", tmp_path)
