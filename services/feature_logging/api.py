"""The HTTP API: whether the log is complete."""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException

from services.feature_logging.settings import Settings
from services.feature_logging.store.log import FeatureLog
from shared.feature_log.completeness import Completeness, completeness, open_log
from shared.http import Health, create_app, require
from shared.tokens import Identity

WAIT_SECONDS = 10
Viewer = Annotated[Identity, Depends(require("viewer", "operator", "auditor"))]


def build_app(settings: Settings, feature_log: FeatureLog, health: Health) -> FastAPI:
    """The service's app."""
    app = create_app("feature logging", settings, health, description="Every prediction and label, once, in Delta.")

    @app.get("/completeness", responses={503: {"description": "The disk refuses the commit under way"}})
    async def report(_: Viewer) -> Completeness:
        """Per topic partition: which offsets are in the tables, with gaps and repeats, if there are any."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                tables = await feature_log.between_commits(partial(open_log, settings.tables))
        except TimeoutError as error:
            raise HTTPException(
                HTTPStatus.SERVICE_UNAVAILABLE, "a commit that can't be written is under way"
            ) from error
        return await asyncio.to_thread(completeness, tables)

    return app
