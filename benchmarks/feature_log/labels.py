"""Matching labels with predictions: what 1,000 labels cost that are spread over 30 days of the log.

    python -m benchmarks.feature_log.labels [--rows N]

Ids are UUIDs of version 7. A batch of labels of the whole month is the worst case; the other is a second's worth of one
hour. Seconds are of CPU; the clock's are told beside them.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from services.feature_logging.domain.origin import Origin
from services.feature_logging.domain.pairs import Label
from services.feature_logging.store.labels.matcher import DEFAULT_BOUNDS, Arrived, Matcher
from services.feature_logging.store.pending import Pending
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import LogTable
from shared.feature_log.schema import PREDICTIONS, table_path
from shared.kafka.admin import LABELS

MODEL = "flights"
DAYS, LABELS_AT_ONCE = 30, 1_000
START = 1_767_225_600_000  # milliseconds
DAY, HOUR = 86_400_000, 3_600_000
APP = "driftline.predictions/0"

Int64 = NDArray[np.int64]


def ids(milliseconds: Int64, seed: int) -> NDArray[np.uint8]:
    """UUIDs of version 7, [n, 16]."""
    octets = np.random.default_rng(seed).integers(0, 256, (len(milliseconds), 16), np.uint8)
    for place in range(6):
        octets[:, place] = (milliseconds >> 8 * (5 - place)) & 255
    octets[:, 6], octets[:, 8] = octets[:, 6] & 15 | 112, octets[:, 8] & 63 | 128
    return octets


def moments(day: int, count: int) -> Int64:
    """When a day's rows were predicted, in order."""
    return START + day * DAY + np.sort(np.random.default_rng(day).integers(0, DAY, count))


def fill(tables: Path, rows: int) -> None:
    """A month of predictions in one file a day, as compaction leaves them."""
    table = LogTable(Place(table_path(tables, MODEL, "predictions"), PREDICTIONS))
    count = rows // DAYS
    for day in range(DAYS):
        pending = Pending(PREDICTIONS)
        pending.add(_of_day(day, count), APP, judged=day * count, version=(day + 1) * count)
        table.commit(pending)


def _of_day(day: int, count: int) -> pa.Table:
    milliseconds = moments(day, count)
    times = pa.array(milliseconds * 1_000).cast(pa.timestamp("us", "UTC"))
    key = pa.Array.from_buffers(pa.binary(16), count, [None, pa.py_buffer(ids(milliseconds, day).tobytes())])
    scores = pa.array(np.random.default_rng(day).random(count, np.float32))
    columns = {
        "request_id": key.cast(pa.binary()),
        "row": pa.array(np.zeros(count, np.int32)),
        "event_time": times,
        "event_day": times.cast(pa.date32()),
        "log_time": times,
        "repeat": pa.array(np.zeros(count, np.bool_)),
        "role": pa.repeat("champion", count),
        "bundle_digest": pa.repeat("a" * 64, count),
        "definition_digest": pa.repeat("b" * 64, count),
        "scores": pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32)), scores),
        "source_partition": pa.array(np.zeros(count, np.int32)),
        "source_offset": pa.array(day * count + np.arange(count)),
        "source_row": pa.array(np.zeros(count, np.int32)),
    }
    filled = [columns.get(field.name, pa.nulls(count, field.type)) for field in PREDICTIONS]
    return pa.table(filled, schema=PREDICTIONS)


def labels(rows: int, first_day: int, last_day: int, span: int = DAY) -> list[Label]:
    """Of rows that are spread over the days, in the first `span` of each."""
    found: list[bytes] = []
    for day in range(first_day, last_day):
        times = moments(day, rows // DAYS)
        of_day, chance = ids(times, day)[times < START + day * DAY + span], np.random.default_rng(day)
        chosen = chance.choice(len(of_day), LABELS_AT_ONCE // (last_day - first_day) + 1, replace=False)
        found += [of_day[place].tobytes() for place in chosen]
    late = (START + 2 * DAYS * DAY) * 1_000
    return [Label(key, 0, False, 1.0, late, None, 0, 0, 0, place) for place, key in enumerate(found[:LABELS_AT_ONCE])]


def match(tables: Path, came: list[Label]) -> tuple[float, float]:
    """Seconds of CPU and of the clock that it takes to find the predictions of labels; all are found."""
    matcher, trigger = Matcher(tables, MODEL, DEFAULT_BOUNDS), Origin(LABELS, 0, 0, 0)
    cpu, clock = time.process_time(), time.perf_counter()
    found = matcher.meetings(Arrived(labels=[(trigger, came)]))
    took = time.process_time() - cpu, time.perf_counter() - clock
    if {meeting.label for meeting in found} != set(came):
        raise AssertionError(f"{len(found)} of {len(came)} labels met their prediction")
    return took


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what each case takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feature_log.labels", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args(arguments).rows
    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder)
        fill(tables, rows)
        for name, came in (
            (f"of {DAYS} days", labels(rows, 0, DAYS)),
            ("of an hour", labels(rows, DAYS - 2, DAYS - 1, HOUR)),
        ):
            cpu, clock = match(tables, came)
            print(f"{len(came):,} labels {name}, {rows:,} predictions: {cpu:.2f} s of CPU, {clock:.2f} s")


if __name__ == "__main__":
    main()
