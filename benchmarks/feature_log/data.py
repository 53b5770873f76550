"""The model whose rows are logged, its messages, and a feature log that takes them as from Kafka."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.drift_stream.data import LEVELS, MODEL, START, definition_text, rows
from services.feature_logging.domain.origin import Origin
from services.feature_logging.domain.predictions import Message
from services.feature_logging.models import Known
from services.feature_logging.store.log import FeatureLog, Limits
from services.feature_logging.stream.intake import Intake
from shared.batch import Meta, PredictionBatch, encode_batch
from shared.definition import parse_definition
from shared.features import Rows
from shared.kafka.admin import PREDICTIONS
from shared.kafka.message import InMessage

VARIETY = 100_000
PARTITIONS = 3
COMMIT_ROWS = 100_000
COMPACT_COMMITS = 50
DAY = 86_400_000_000
_DIGEST = "0" * 64


@cache
def known() -> Known:
    """What the service knows of the model: 55 numeric features and 5 categorical ones."""
    definition = parse_definition(definition_text())
    return Known(definition, dict.fromkeys(definition.categorical, LEVELS))


@cache
def _features() -> Rows:
    return rows(VARIETY, 3)[0]


def ids(number: int, size: int) -> list[bytes]:
    """The request ids of a message's rows, each of its own."""
    content = np.random.default_rng(number).bytes(16 * size)
    return [content[at : at + 16] for at in range(0, len(content), 16)]


def batch(number: int, size: int, rows_a_day: int = 0) -> PredictionBatch:
    """A message's rows, no two of the first 100,000 with the same features; all of one day, or so many of each."""
    random, first = np.random.default_rng([1, number]), number * size
    at = (first + np.arange(size)) % VARIETY
    microseconds = (first + np.arange(size)) * (DAY // rows_a_day if rows_a_day else 1)
    features = _features()
    return PredictionBatch(
        meta=Meta(MODEL, _DIGEST, known().definition.digest, "champion", "benchmark", number, first + size),
        request_id=ids(number, size),
        row=np.zeros(size, np.int32),
        entity=[f"N{entity}" for entity in random.integers(0, 20_000, size)],
        event_time=START + microseconds.astype("timedelta64[us]"),
        repeat=np.zeros(size, np.bool_),
        rows=Rows(features.numeric[at], features.categorical[at]),
        scores=random.random((size, 1), dtype=np.float32),
        latency_us=random.integers(100, 900, size).astype(np.int32),
    )


def in_message(number: int, value: bytes) -> InMessage:
    """As it is read from Kafka: the messages are spread over the partitions in turns."""
    return InMessage(
        PREDICTIONS, number % PARTITIONS, number // PARTITIONS, None, value, (), 1_772_323_200_000 + number
    )


def messages(numbers: Iterable[int], size: int, rows_a_day: int = 0) -> list[InMessage]:
    """Those of these numbers."""
    return [in_message(number, encode_batch(batch(number, size, rows_a_day))) for number in numbers]


def arrow_rows(numbers: Iterable[int], size: int) -> pa.Table:
    """The rows that the log makes of these messages."""
    made = [Message(batch(number, size), _origin(number)) for number in numbers]
    return known().rows(made).combine_chunks()


def _origin(number: int) -> Origin:
    place = in_message(number, b"")
    return Origin(place.topic, place.partition, place.offset, place.timestamp_ms)


def new_log(tables: Path, compact_commits: int = COMPACT_COMMITS) -> tuple[FeatureLog, Intake]:
    """The log, with the service's own limits, and the handler of its messages; it holds none of them yet."""
    log = FeatureLog(tables, Limits(COMMIT_ROWS, compact_commits), _trouble)
    log.resume({(PREDICTIONS, partition): 0 for partition in range(PARTITIONS)})
    return log, Intake(log, lambda _: known())


def _trouble(reason: str | None) -> None:
    if reason is not None:
        raise RuntimeError(reason)
