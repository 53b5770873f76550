"""Rows per second of CPU into Delta when every hundredth message can't be read, beside the same without such ones."""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.feature_log.data import COMMIT_ROWS, COMPACT_COMMITS, batch, known, messages
from benchmarks.feature_log.throughput import SIZE, cpu
from benchmarks.rows import Row, at_least
from services.feature_logging.models import Known
from services.feature_logging.store.log import FeatureLog, Limits
from services.feature_logging.stream.intake import Intake
from shared.errors import Unreadable
from shared.kafka.admin import PREDICTIONS
from shared.kafka.dead_letters import dead_letter
from shared.kafka.message import InMessage
from tests.poison import one_label, poisons

EVERY = 100  # messages


def measure(rounds: int, rows: int) -> list[float]:
    """Good rows per second of CPU, over those of a stream without poison, of each round; the two take turns."""
    clean = messages(range(rows // SIZE), SIZE)
    poisoned, good = with_poison(clean), len(clean) - len(clean) // EVERY
    ratios: list[float] = []
    for _ in range(rounds):
        plain, bad = _seconds(clean), _seconds(poisoned)
        ratios.append((good / bad) / (len(clean) / plain))
    return ratios


def _seconds(stream: Sequence[InMessage]) -> float:
    return cpu(lambda folder: asyncio.run(log_all(folder, stream)))


def with_poison(stream: Sequence[InMessage]) -> list[InMessage]:
    """The stream with each kind of poison on its topic in turns in the place of every hundredth message."""
    made = [poison.message for poison in poisons(batch(0, SIZE), one_label("other"))]
    kinds = [message for message in made if message.topic == PREDICTIONS]
    told = list(stream)
    for number, at in enumerate(range(EVERY - 1, len(told), EVERY)):
        bad = kinds[number % len(kinds)]
        told[at] = replace(told[at], value=bad.value, headers=bad.headers)
    return told


async def log_all(tables: Path, stream: Sequence[InMessage]) -> int:
    """As the consume loop does it, but for Kafka; returns how many became dead-letters."""
    intake = Intake(FeatureLog(tables, Limits(COMMIT_ROWS, COMPACT_COMMITS), print), _lookup)
    letters = 0
    for message in stream:
        try:
            await intake.handle(message)
        except Unreadable as error:
            dead_letter(message, str(error), "feature_logging")
            await intake.reject(message, str(error))
            letters += 1
    await intake.flush()
    return letters


def _lookup(digest: str) -> Known:
    if digest != batch(0, 1).meta.digest:
        raise Unreadable(f"bundle {digest}: there is none")
    return known()


def figures(ratios: Sequence[float]) -> dict[str, float]:
    """The median."""
    return {"over_clean_with_poison": statistics.median(ratios)}


def judged(found: dict[str, float]) -> list[Row]:
    """The goal."""
    case = f"one message in {EVERY} unreadable: rows/s of CPU over those without"
    return [at_least(case, found["over_clean_with_poison"], 0.9)]
