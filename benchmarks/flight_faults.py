"""The detector on real flights: is a feed that changes its unit named in its first pane, and nothing named before?

`python -m benchmarks.flight_faults [--json FILE]` runs the decisions of drift_detection alone, without Kafka: the
flights of 1 to 31 March 2013 against those of January and February, in panes of one hour. Needs the extra
`local` (the flights) and `drift-detection`. Ends with 1 if a goal is not met.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute

from benchmarks.output import writable
from benchmarks.rows import Row, exit_code, tell
from models.flight_delays.data import read_flights, with_celsius
from services.drift_detection.domain.engine import Engine, Place
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.watched import Watched
from shared.batch import Meta, PredictionBatch
from shared.definition import ModelDefinition, read_definition
from shared.events import DriftDetected
from shared.features import Rows, stack_rows
from shared.reference import build_reference

pc: Any = pyarrow.compute  # its functions are made at import, where type checkers see none

NEW_YORK = ZoneInfo("America/New_York")
START = datetime(2013, 1, 1, tzinfo=NEW_YORK)
LIVE = datetime(2013, 3, 1, tzinfo=NEW_YORK)
END = datetime(2013, 4, 1, tzinfo=NEW_YORK)  # in April the schedule changes
FAULT = datetime(2013, 3, 15, 12, tzinfo=NEW_YORK)
DIGEST = "0" * 64
DEFINITION = Path(__file__).parents[1] / "models" / "flight_delays" / "model.toml"


def between(flights: pa.Table, start: datetime, end: datetime) -> pa.Table:
    """The flights with start <= event time < end."""
    times = flights["event_time"]
    return flights.filter(pc.and_(pc.greater_equal(times, pa.scalar(start)), pc.less(times, pa.scalar(end))))


class Bench:
    """Runs streams of flights against one reference."""

    def __init__(self, flights: pa.Table, definition: ModelDefinition) -> None:
        self._definition = definition
        before = between(flights, START, LIVE)
        self._categories = {name: tuple(sorted(set(before[name].to_pylist()))) for name in definition.categorical}
        rows, times = self._rows(before)
        reference = build_reference(rows, times, _scores(rows), definition, self._categories)
        self.watched = Watched(DIGEST, definition, reference)

    def _rows(self, flights: pa.Table) -> tuple[Rows, np.ndarray[tuple[int], np.dtype[np.datetime64]]]:
        columns = {name: flights[name].to_numpy().astype(np.float32) for name in self._definition.numeric}
        columns |= {name: flights[name].to_pylist() for name in self._definition.categorical}
        times = flights["event_time"].cast(pa.timestamp("us")).to_numpy()
        return stack_rows(columns, self._definition, self._categories), times

    def alarms(self, flights: pa.Table) -> list[DriftDetected]:
        """The incidents that a stream of flights opens, one message per 25 of them, in order of event time."""
        rows, times = self._rows(flights)
        engine = Engine({0: PartitionState(0)}, {})
        for offset, first in enumerate(range(0, len(rows), 25)):
            part = slice(first, first + 25)
            place = Place(0, offset, int(times[-1].astype(np.int64)))
            engine.take(place, self._message(rows[part], times[part]), self.watched)
            while engine.advance({0}, 100):
                pass
            engine.finish()
        events = engine.watch(self._definition.name).outbox
        return [event for event in events if isinstance(event, DriftDetected)]

    def _message(self, rows: Rows, times: np.ndarray[tuple[int], np.dtype[np.datetime64]]) -> PredictionBatch:
        count = len(rows)
        meta = Meta(self._definition.name, DIGEST, self._definition.digest, "champion", "benchmark", 0, count)
        return PredictionBatch(
            meta=meta,
            request_id=[bytes(16)] * count,
            row=np.zeros(count, np.int32),
            entity=[None] * count,
            event_time=times,
            repeat=np.zeros(count, np.bool_),
            rows=rows,
            scores=_scores(rows),
            latency_us=np.zeros(count, np.int32),
        )


def _scores(rows: Rows) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """A score that never moves: it counts among the streams, as the model's own does."""
    return np.full((len(rows), 1), 0.5, np.float32)


def show_alarms(alarms: Sequence[DriftDetected]) -> str:
    """When, what, and what beside it."""
    told = [
        f"{alarm.start.astimezone(NEW_YORK):%d %B %H:%M} {', '.join(feature.name for feature in alarm.features)}"
        f" (also moved: {', '.join(feature.name for feature in alarm.also_moved) or 'nothing'})"
        for alarm in alarms
    ]
    return "; ".join(told) or "no alarm"


def run(flights: pa.Table, definition: ModelDefinition) -> list[Row]:
    """All cases."""
    bench = Bench(flights, definition)
    live = between(flights, LIVE, END)
    clean = bench.alarms(live)
    faulty = bench.alarms(with_celsius(live, FAULT))
    first = next((alarm for alarm in faulty if alarm.end > FAULT), None)
    moved = () if first is None else (*first.features, *first.also_moved)
    named = sorted(feature.name for feature in moved)
    hours = "never" if first is None else f"{(first.end - FAULT) / timedelta(hours=1):.0f} h"
    false = [alarm for alarm in faulty if alarm.end <= FAULT]
    return [
        Row("1 to 31 March as they are: alarms", show_alarms(clean), "no alarm", not clean),
        Row("temp, dewp °F→°C from 15 March 12:00: named after", hours, "1 h", hours == "1 h"),
        Row(
            "named", ", ".join(named), "dewp, temp and at most 3 more", {"dewp", "temp"} <= {*named} and len(named) <= 5
        ),
        Row("alarms before the fault", str(len(false)), "0", not false),
        Row("incidents of the fault", show_alarms(faulty), "1", len(faulty) == 1),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the rows there, too")
    options = parser.parse_args(arguments)
    return exit_code(tell(run(read_flights(), read_definition(DEFINITION)), options.json))


if __name__ == "__main__":
    sys.exit(main())
