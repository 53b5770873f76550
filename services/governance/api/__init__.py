"""The HTTP API."""

from fastapi import FastAPI

from services.governance.api import approvals, drift, models, people, rollout
from services.governance.api.edge import add_refusals
from services.governance.store.desk import Desk
from shared.http import Health, create_app

DESCRIPTION = "The registry of models, who approved what, what serves, and the log of it all."
BODY_LIMIT = 64 * 1024  # the largest body is a decision with its reason


def build_api(desk: Desk, health: Health) -> FastAPI:
    """The service's app, without the page."""
    app = create_app("governance", desk.settings, health, description=DESCRIPTION, body_limit=BODY_LIMIT)
    app.state.desk = desk
    for routes in (models, approvals, rollout, drift, people):
        app.include_router(routes.router)
    add_refusals(app)
    return app
