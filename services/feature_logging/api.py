"""The HTTP API: is the log complete, how well do rows keep to their definitions, how do labels come, whom to forget."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, TypeVar

from deltalake.exceptions import DeltaError
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from structlog import get_logger

from services.feature_logging.settings import Settings
from services.feature_logging.store.forgetting.orders import Forgetting, Forgotten
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.labels.coverage import Coverage, DayOfLabels
from services.feature_logging.store.log import FeatureLog
from services.feature_logging.store.quality import HourOfRows, Quality
from services.feature_logging.store.table import Fenced
from shared.errors import InvalidInput
from shared.events.base import ModelName, UtcTime
from shared.feature_log.completeness import completeness
from shared.feature_log.opened import TOPICS, open_log
from shared.feature_log.proof.reports import Completeness, Wanted
from shared.feature_log.reading import NoSuchModel, check_model
from shared.http import Health, create_app, require
from shared.http.errors import error_response
from shared.tokens import Identity

log = get_logger()
T = TypeVar("T")
WAIT_SECONDS = 10
From = Annotated[UtcTime, Query(alias="from", description="A whole hour.")]
To = Annotated[UtcTime, Query(alias="to", description="A whole hour, at most 31 days later.")]
Admin = Annotated[Identity, Depends(require("admin"))]
FromDay = Annotated[date | None, Query(alias="from", description="A day in UTC; without it, a week before the last.")]
ToDay = Annotated[date | None, Query(alias="to", description="The last day; without it, the newest with predictions.")]
Viewer = Annotated[Identity, Depends(require("viewer", "operator", "auditor"))]


def _wanted(
    topic: Annotated[str | None, Query(max_length=249)] = None,
    partition: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
    start: Annotated[UtcTime | None, Query(alias="from", description="Hours of Kafka's clock from here")] = None,
    end: Annotated[UtcTime | None, Query(alias="to", description="and before this time")] = None,
) -> Wanted:
    if topic is not None and topic not in TOPICS.values():
        known = " or ".join(sorted(set(TOPICS.values())))
        told = {"field": "query.topic", "expected": f"{known}: the log holds no other topic"}
        raise HTTPException(HTTPStatus.NOT_FOUND, told)
    if start is not None and end is not None and start >= end:
        raise InvalidInput("query.to", "must be after `from`")
    return Wanted(topic, partition, start, end)


Part = Annotated[Wanted, Depends(_wanted)]


class Whom(BaseModel):
    """An entity as it stands in requests, and the model whose tables it is to be forgotten in (default: all)."""

    model_config = ConfigDict(extra="forbid")

    entity: str = Field(min_length=1, max_length=10_000)
    model: ModelName | None = None


def build_app(settings: Settings, feature_log: FeatureLog, health: Health) -> FastAPI:
    """The service's app."""
    app = create_app("feature logging", settings, health, description="Every prediction and label, once, in Delta.")
    _answer_errors(app)
    _answer_completeness(app, feature_log)
    _answer_orders(app, Forgetting(settings.tables, KeyStore(settings.feature_log_keys)), settings.tables)
    _answer_counts(app, settings.tables)
    return app


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(NoSuchModel)
    async def unknown(_: Request, error: NoSuchModel) -> JSONResponse:
        return error_response(HTTPStatus.NOT_FOUND, error.expected, error.field)

    @app.exception_handler(DeltaError)
    @app.exception_handler(OSError)
    async def unreachable(_: Request, error: Exception) -> JSONResponse:
        return error_response(HTTPStatus.SERVICE_UNAVAILABLE, f"the tables can't be read now: {error}")


def _answer_completeness(app: FastAPI, feature_log: FeatureLog) -> None:
    @app.get(
        "/completeness", responses=_responses({404: "No such topic or partition", 503: "A commit under way is refused"})
    )
    async def report(_: Viewer, wanted: Part) -> Completeness:
        """Per topic partition and hour: which offsets are in the tables, with gaps and repeats, if there are any."""
        tables = await _between_commits(feature_log, partial(open_log, feature_log.tables))
        found = await asyncio.to_thread(completeness, tables, wanted)
        if wanted.partition is not None and found.complete and not found.partitions:
            told = {"field": "query.partition", "expected": "one that the log holds messages of"}
            raise HTTPException(HTTPStatus.NOT_FOUND, told)
        return found


def _answer_orders(app: FastAPI, forgetting: Forgetting, tables: Path) -> None:
    one_at_a_time = asyncio.Lock()

    @app.post("/v1/forget", responses=_responses({404: "No such model", 503: "Tables or keys can't be written now"}))
    async def forget(who: Admin, whom: Whom) -> Forgotten:
        """Remove an entity's data from the tables, files of older versions included, and its keys."""
        if whom.model is not None:
            await asyncio.to_thread(check_model, tables, whom.model)
        async with one_at_a_time, _writable():
            order = await asyncio.to_thread(forgetting.order, whom.entity, whom.model, who.subject)
            done = await asyncio.to_thread(forgetting.carry_out, order, whom.entity)
        rows = {f"{each.model}/{each.table}": each.rows for each in done.tables}
        log.info("forgotten", record=done.id, entity=done.entity, by=done.by, keys_deleted=done.keys_deleted, rows=rows)
        return done


def _answer_counts(app: FastAPI, tables: Path) -> None:
    quality, coverage = Quality(tables), Coverage(tables)

    @app.get("/quality", responses=_responses({404: "No such model"}))
    async def rows_by_hour(_: Viewer, model: ModelName, start: From, end: To) -> list[HourOfRows]:
        """Per hour of event time: rows, those whose values break the definition, and which features break it how."""
        return await asyncio.to_thread(quality.hours, model, start, end)

    @app.get("/labels", responses=_responses({404: "No such model"}))
    async def labels_by_day(_: Viewer, model: ModelName, start: FromDay = None, end: ToDay = None) -> list[DayOfLabels]:
        """Per day: how many predictions have a label by now, how long it took, and labels of unknown predictions."""
        return await asyncio.to_thread(coverage.days, model, start, end)


def _responses(said: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": text} for status, text in said.items()}


@asynccontextmanager
async def _writable() -> AsyncIterator[None]:
    try:
        yield
    except (OSError, DeltaError, Fenced) as error:
        reason = f"what was begun can be done again later: {error}"
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, reason) from error


async def _between_commits(feature_log: FeatureLog, read: Callable[[], T]) -> T:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            return await feature_log.between_commits(read)
    except TimeoutError as error:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "a commit that can't be written is under way") from error
