"""Data files that the table's log lies about, or that hold rows of no message, are found and named."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from shared.feature_log.proof.restated import Restated
from shared.feature_log.proof.verify import Verified, verify
from shared.feature_log.schema import HISTORY
from shared.kafka.admin import LABELS
from tests.unit.feature_logging.samples import START, TOPIC, intake, label_message, message, prediction_message
from tests.unit.feature_logging.tampering import add, lie, put_into_file

TABLE = "flights/predictions"
Statistics = dict[str, Any]


async def _prove(tables: Path) -> None:
    worker = intake(tables)
    for offset in range(2):
        await worker.handle(prediction_message(offset))
        await worker.handle(label_message(offset))
    await worker.reject(message(b"", 2), "empty")
    await worker.flush()
    await worker.assigned({(TOPIC, 0): 0, (LABELS, 0): 0}, {(TOPIC, 0): 3, (LABELS, 0): 2})


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables = tmp_path_factory.mktemp("proved")
    asyncio.run(_prove(tables))
    return tables


@pytest.fixture
def proved(made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_once, tmp_path / "tables"))


def verified(tables: Path) -> Verified:
    log = open_log(tables)
    return verify(log, completeness(log), (), Restated())


def test_files_of_which_the_log_says_the_truth_are_no_fault(proved: Path) -> None:
    found = verified(proved)
    assert found.complete
    assert found.faults == ()


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"source_offset": -1}, "partition 0, offset -1"),
        ({"source_offset": 3}, "partition 0, offset 3"),
        ({"source_offset": 2**63 - 1}, "partition 0, offset 9223372036854775807"),
        ({"source_offset": None}, "partition 0, offset null"),
        ({"source_partition": None}, "partition null, offset"),
        ({"source_partition": 999}, "partition 999, offset"),
        ({"source_partition": -1}, "partition -1, offset"),
        ({"source_row": -1}, "partition 0, offset"),
    ],
)
def test_a_row_of_no_message_is_found_in_its_file(proved: Path, values: dict[str, int | None], place: str) -> None:
    put_into_file(TABLE, **values)(proved)
    found = verified(proved)
    assert not found.complete
    assert any(f"1 rows that were not read from Kafka, the first of {place}" in fault.what for fault in found.faults)


@pytest.mark.parametrize("topic", ["driftline.unknown", None])
def test_a_rejected_message_of_no_topic_is_found_in_its_file(proved: Path, topic: str | None) -> None:
    put_into_file("_rejected", topic=topic)(proved)
    assert any("_rejected: data file" in each.what and "not read" in each.what for each in verified(proved).faults)


def test_a_row_of_no_message_whose_statistics_are_true_is_found(proved: Path) -> None:
    add(-1)(proved)
    assert any("partition 0, offset -1" in fault.what for fault in verified(proved).faults)


def test_rows_that_their_count_hides_are_found(proved: Path) -> None:
    put_into_file(TABLE)(proved)
    assert any("rows, its statistics say" in fault.what for fault in verified(proved).faults)


def _set(where: str, name: str, value: object) -> Callable[[Statistics], object]:
    return lambda told: told[where].update({name: value})


@pytest.mark.parametrize(
    "change",
    [
        _set("maxValues", "event_time", "1999-01-01T00:00:00.000000Z"),
        _set("minValues", "event_time", "2099-01-01T00:00:00.000000Z"),
        _set("minValues", "log_time", "2099-01-01T00:00:00.000000Z"),
        _set("nullCount", "event_time", 6),
        lambda told: told["minValues"].pop("event_time"),
    ],
)
def test_a_file_whose_statistics_hide_its_rows_from_readers_is_named(
    proved: Path, change: Callable[[Statistics], object]
) -> None:
    lie(TABLE, change)(proved)
    found = verified(proved)
    assert not found.complete
    said = "its statistics lie, by which readers do not find 6 of its 6 rows"
    assert any(each.what.startswith(f"{TABLE}: data file event_day=") and said in each.what for each in found.faults)


def test_a_file_of_history_whose_statistics_hide_its_rows_is_named(proved: Path) -> None:
    rows = pa.Table.from_pylist([{"row": 0, "event_time": START}], schema=HISTORY)
    indexed = {"delta.dataSkippingStatsColumns": "row,event_time"}
    write_deltalake(proved / "flights/history", rows, configuration=indexed)
    assert verified(proved).complete
    lie("flights/history", _set("maxValues", "event_time", "1999-01-01T00:00:00.000000Z"))(proved)
    (fault,) = verified(proved).faults
    assert "flights/history: data file" in fault.what
    assert "readers do not find 1 of its 1 rows" in fault.what


def test_a_file_without_statistics_counts_as_it_is(proved: Path) -> None:
    lie(TABLE, lambda told: told.clear())(proved)
    assert verified(proved).complete
    put_into_file(TABLE)(proved)
    assert completeness(open_log(proved)).problems == (f"{TABLE}: 7 rows, where its links and newest commits count 6",)


def test_rows_of_a_partition_that_nobody_read_are_counted(proved: Path) -> None:
    put_into_file(TABLE, source_partition=7)(proved)
    lie(TABLE, lambda told: told.clear())(proved)
    report = completeness(open_log(proved))
    assert [part.partition for part in report.partitions if not part.complete] == [7]
