"""Whether a service is ready, and why not. Live, ready and metrics are the only open routes."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


class Health:
    """Starts as not ready."""

    def __init__(self, waiting_for: str = "starting") -> None:
        self.reason: str | None = waiting_for
        self.details: dict[str, str] = {}

    def ready(self) -> None:
        """The service can do its work."""
        self.reason = None

    def not_ready(self, reason: str) -> None:
        """It can't, for this reason."""
        self.reason = reason

    def note(self, part: str, trouble: str | None) -> None:
        """What is wrong with a part while the service works on, None when it is well again; `/ready` tells it."""
        if trouble is None:
            self.details.pop(part, None)
        else:
            self.details[part] = trouble


def health_routes(health: Health) -> APIRouter:
    """`/live`, `/ready` (503 with the reason while not ready; details where a part ails), `/metrics` (Prometheus)."""
    router = APIRouter(tags=["health"])

    @router.get("/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/ready", responses={503: {"description": "Not ready, with the reason"}})
    async def ready() -> JSONResponse:
        told = {"details": health.details} if health.details else {}
        if health.reason is None:
            return JSONResponse({"status": "ready", **told})
        return JSONResponse({"status": health.reason, **told}, status_code=503)

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
