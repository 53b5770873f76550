"""How far a model's labels have come."""

import asyncio
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from deltalake.exceptions import DeltaError
from structlog import get_logger

from shared.feature_log.watermark import label_watermark

log = get_logger()


async def labelled_to(tables: Path, model: str) -> datetime | None:
    """The label watermark; None also while the table can't be read, such as while its files are merged."""
    try:
        return await asyncio.to_thread(label_watermark, tables, model)
    except (DeltaError, OSError, pa.ArrowException) as error:
        log.warning("labels can't be read now", model=model, why=str(error))
        return None
