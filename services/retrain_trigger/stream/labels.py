"""How far a model's labels have come."""

import asyncio
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from deltalake.exceptions import DeltaError
from structlog import get_logger

from shared.feature_log.watermark import label_watermark

log = get_logger()


async def labelled_to(tables: Path, model: str, since: datetime, needed: datetime) -> datetime | None:
    """The label watermark, see `label_watermark`; None also while a table can't be read now."""
    try:
        return await asyncio.to_thread(label_watermark, tables, model, since, needed)
    except (DeltaError, OSError, pa.ArrowException) as error:
        log.warning("labels can't be read now", model=model, why=str(error))
        return None
