"""The FastAPI app that every service starts from."""

from fastapi import FastAPI

from shared.http.errors import add_error_handlers
from shared.http.health import Health, health_routes
from shared.http.limits import DEFAULT_BODY_LIMIT, BodyLimit
from shared.settings import ServiceSettings
from shared.tokens import TokenVerifier


def create_app(  # noqa: PLR0913  # the last three are options
    title: str,
    settings: ServiceSettings,
    health: Health,
    *,
    description: str = "",
    body_limit: int = DEFAULT_BODY_LIMIT,
    cookies: bool = False,
) -> FastAPI:
    """An app with health, metrics, tokens, a bound on bodies and one form of error.

    `cookies`: a page's cookie may carry the token, too.
    """
    app = FastAPI(title=f"Driftline {title}", version="1", description=description)
    app.state.tokens = TokenVerifier(settings.trust)
    app.state.cookies = cookies
    app.include_router(health_routes(health))
    app.add_middleware(BodyLimit, limit=body_limit)
    add_error_handlers(app)
    return app
