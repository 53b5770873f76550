"""Messages per second of CPU while many labels wait for their predictions, beside the same while none does."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from benchmarks.drift_stream.data import MODEL
from benchmarks.feature_log.data import messages, new_log
from benchmarks.rows import Row, at_least
from services.feature_logging.store.labels.matcher import DEFAULT_BOUNDS
from shared.cloudevents import encode
from shared.events import LabelItem, LabelsReceived, stable_id
from shared.kafka.message import InMessage

MESSAGES, SIZE = 2_000, 5
_AT_ONCE = 1_000  # labels in a message
_TIME = datetime(2026, 3, 1, tzinfo=UTC)


def labels(count: int) -> Iterator[InMessage]:
    """Messages of labels for rows that never come."""
    for number, first in enumerate(range(0, count, _AT_ONCE)):
        items = tuple(
            LabelItem(request_id=str(UUID(int=row + 1)), value=1.0, event_time=_TIME)
            for row in range(first, min(first + _AT_ONCE, count))
        )
        event = LabelsReceived(id=stable_id(number), time=_TIME, model=MODEL, labels=items)
        out = encode(event, "benchmark")
        came = int((_TIME + timedelta(hours=1)).timestamp() * 1000)
        yield InMessage(out.topic, 0, number, None, out.value, out.headers, came)


async def _seconds(tables: Path, waiting: int) -> float:
    _, intake = new_log(tables)
    for message in labels(waiting):
        await intake.handle(message)
    await intake.flush()
    began = time.process_time()
    for message in messages(range(MESSAGES), SIZE):
        await intake.handle(message)
    await intake.flush()
    return time.process_time() - began


def measure(rounds: int) -> list[float]:
    """Messages per second of CPU with as many labels as are remembered, over those with none, of each round."""
    ratios: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as bare, tempfile.TemporaryDirectory() as full:
            none = asyncio.run(_seconds(Path(bare), 0))
            ratios.append(none / asyncio.run(_seconds(Path(full), DEFAULT_BOUNDS.labels)))
    return ratios


def figures(ratios: Sequence[float]) -> dict[str, float]:
    """The median."""
    return {"over_none_waiting": statistics.median(ratios)}


def judged(found: dict[str, float]) -> list[Row]:
    """The goal."""
    case = f"{DEFAULT_BOUNDS.labels:,} labels wait: messages of {SIZE} rows/s of CPU over those with none"
    return [at_least(case, found["over_none_waiting"], 0.8)]
