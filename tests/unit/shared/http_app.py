"""An app such as the services build, run by a server of its own: `python -m tests.unit.shared.http_app MODE`.

The environment says where it listens, as for any service. It prints one line when a request is in hand.
"""

import asyncio
import sys
from typing import Annotated

from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field

from shared.errors import InvalidInput
from shared.events.base import Finite, UtcTime
from shared.http import Health, create_app, require, serve
from shared.logging import configure
from shared.settings import ServiceSettings
from shared.tokens import Identity


class Reading(BaseModel):
    """A body with one field of each kind that is easily sent wrongly."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=20)
    value: Finite = Field(strict=True)
    at: UtcTime
    nested: list[object] = []


class Page(BaseModel):
    """A query."""

    model_config = ConfigDict(extra="forbid")

    before: int = 0


def make_app(settings: ServiceSettings, health: Health) -> FastAPI:
    """Routes: POST /readings, POST /refused, POST /slow, GET /crash, GET /who, GET /page, GET /approve."""
    app = create_app("test", settings, health, cookies=True)
    add_bodies(app)
    add_roles(app)

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("secret detail")

    return app


def add_bodies(app: FastAPI) -> None:
    """What takes a body."""

    @app.post("/readings")
    async def readings(reading: Reading, limit: int = 3) -> dict[str, str]:
        return {"name": reading.name, "limit": str(limit)}

    @app.post("/refused")
    async def refused(reading: Reading) -> None:
        raise InvalidInput(f"reading {reading.name}", "another name")

    @app.post("/slow")
    async def slow() -> dict[str, str]:
        print("in hand", flush=True)
        await asyncio.sleep(1)
        return {"done": "yes"}


def add_roles(app: FastAPI) -> None:
    """What only some may ask for."""

    @app.get("/who")
    async def who(
        identity: Annotated[Identity, Depends(require("viewer", "client"))],
        limit: Annotated[int, Query(alias="most")] = 3,
    ) -> dict[str, str]:
        return {"subject": identity.subject, "role": identity.role}

    @app.get("/page")
    async def page(
        page: Annotated[Page, Query()], identity: Annotated[Identity, Depends(require("viewer"))]
    ) -> dict[str, int]:
        return page.model_dump()

    @app.get("/approve")
    async def approve(identity: Annotated[Identity, Depends(require("approver"))]) -> dict[str, str]:
        return {"subject": identity.subject}


async def background(mode: str) -> None:
    """A task that runs for ever, or crashes; at its end it takes a moment and says so."""
    try:
        await asyncio.sleep(0.5 if mode == "crash" else 3_600)
        raise OSError("no disk")
    finally:
        await asyncio.sleep(0.2)
        print("task ended", flush=True)


def main() -> None:
    """Serve until SIGTERM."""
    configure("test", "INFO")
    settings, health = ServiceSettings(), Health()
    health.ready()
    asyncio.run(serve(make_app(settings, health), settings, background(sys.argv[1])))


if __name__ == "__main__":
    main()
