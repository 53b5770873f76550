"""The FastAPI app that every service starts from."""

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig

from shared.http.auth import require
from shared.http.errors import add_error_handlers
from shared.http.health import Health, health_routes
from shared.http.limits import DEFAULT_BODY_LIMIT, BodyLimit
from shared.settings import ServiceSettings
from shared.tokens import ROLES, TokenVerifier


def create_app(  # noqa: PLR0913  # the last four are options
    title: str,
    settings: ServiceSettings,
    health: Health,
    *,
    description: str = "",
    body_limit: int = DEFAULT_BODY_LIMIT,
    cookies: bool = False,
    spans: bool = True,
) -> FastAPI:
    """An app with health, metrics, tokens, a bound on bodies and one form of error.

    `cookies`: a page's cookie may carry the token, too. `spans`: FastAPI reports each request to OpenTelemetry, if its
    SDK is set up; a service that does so itself leaves that out.
    """
    # FastAPI's own documentation pages load scripts from elsewhere, and its document needs no token.
    telemetry: TelemetryConfig = {} if spans else {"exclude": lambda _: True}
    app = FastAPI(
        title=f"Driftline {title}", version="1", description=description, openapi_url=None, telemetry=telemetry
    )
    app.state.tokens = TokenVerifier(settings.trust)
    app.state.cookies = cookies
    app.include_router(health_routes(health))
    app.add_middleware(BodyLimit, limit=body_limit)
    add_error_handlers(app)
    _add_document(app)
    return app


def _add_document(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False, dependencies=[Depends(require(*ROLES))])
    async def openapi() -> JSONResponse:
        return JSONResponse(app.openapi())
