"""The parts of the benchmark of the feature log that measure nothing."""

import asyncio
from pathlib import Path

import numpy as np

from benchmarks.drift_stream.data import MODEL
from benchmarks.feature_log import day, growth, poison, reading, throughput
from benchmarks.feature_log.data import arrow_rows, messages
from benchmarks.feature_log.throughput import Speeds
from shared.feature_log.reading import dataset, open_table
from shared.feature_log.schema import table_path


def test_what_is_compared_holds_the_same_rows(tmp_path: Path) -> None:
    asyncio.run(throughput.log_all(tmp_path, messages(range(6), 10)))
    table = open_table(table_path(tmp_path, MODEL, "predictions"))
    assert table is not None
    order = [("source_partition", "ascending"), ("source_offset", "ascending"), ("source_row", "ascending")]
    logged, plain = dataset(table).to_table().sort_by(order), arrow_rows(range(6), 10).sort_by(order)
    assert logged.select(plain.column_names).to_pylist() == plain.to_pylist()
    assert len(plain.column("request_id").unique()) == 60


def test_poison_is_every_hundredth_message_and_all_of_it_is_refused(tmp_path: Path) -> None:
    stream = poison.with_poison(messages(range(300), 2))
    assert asyncio.run(poison.log_all(tmp_path, stream)) == 3


def test_each_label_of_the_join_finds_its_row(tmp_path: Path) -> None:
    asyncio.run(throughput.log_all(tmp_path, messages(range(3), throughput.SIZE)))
    assert reading.join(tmp_path, 3 * throughput.SIZE)["join_rows"] == 3 * throughput.SIZE


def test_figures_are_medians_percentiles_and_growth_between_halves() -> None:
    speeds = [Speeds(3, 6, 4), Speeds(4, 5, 8), Speeds(5, 5, 5)]
    assert throughput.figures(speeds, speeds)["over_parquet"] == 0.8
    found = day.figures(day.Day([*np.full(99, 0.02), 0.4], 30, 260))
    assert round(found["commit_p50_ms"]) == 20
    assert [row.met for row in day.judged(found)] == [True, True, False]
    told = ((300_000, 100), (900_000, 200), (2_000_000, 210), (3_000_000, 480), (4_000_000, 290), (6_000_000, 300))
    found = growth.figures([growth.Sample(rows, megabytes) for rows, megabytes in told])
    assert (found["memory_growth_mb"], found["memory_mb"]) == (85, 480)
