"""The HTTP API: whether the log is complete, and how well its rows keep to their definitions."""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query

from services.feature_logging.settings import Settings
from services.feature_logging.store.log import FeatureLog
from services.feature_logging.store.quality import HourOfRows, Quality
from shared.events.base import ModelName, UtcTime
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from shared.feature_log.proof.reports import Completeness
from shared.http import Health, create_app, require
from shared.tokens import Identity

WAIT_SECONDS = 10
From = Annotated[UtcTime, Query(alias="from", description="A whole hour.")]
To = Annotated[UtcTime, Query(alias="to", description="A whole hour, at most 31 days later.")]
Viewer = Annotated[Identity, Depends(require("viewer", "operator", "auditor"))]


def build_app(settings: Settings, feature_log: FeatureLog, health: Health) -> FastAPI:
    """The service's app."""
    quality = Quality(settings.tables)
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

    @app.get("/quality")
    async def rows_by_hour(_: Viewer, model: ModelName, start: From, end: To) -> list[HourOfRows]:
        """Per hour of event time: rows, those whose values break the definition, and which features break it how."""
        return await asyncio.to_thread(quality.hours, model, start, end)

    return app
