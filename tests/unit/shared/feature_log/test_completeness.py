"""Completeness notices each way in which a log can be wrong."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake

from shared.feature_log.completeness import completeness
from shared.feature_log.opened import open_log
from shared.feature_log.proof.reports import Gap, PartitionReport, Wanted
from shared.feature_log.schema import LABELS, PREDICTIONS, REJECTED, TableKind, app_id, rejected_path, table_path

LOGGED = datetime(2013, 3, 2, tzinfo=UTC)
TOPIC = "driftline.predictions"
Place = tuple[int, int]


def write(path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema, app: str, next_offset: int) -> None:
    table = pa.Table.from_pylist(list(rows), schema=schema)
    commit = CommitProperties(app_transactions=[Transaction(app, next_offset)])
    write_deltalake(path, table, mode="append", commit_properties=commit)


def predictions(tables: Path, *places: Place, next_offset: int, model: str = "flights", partition: int = 0) -> None:
    """Rows at (offset, row in its message)."""
    rows = [
        {"source_partition": partition, "source_offset": offset, "source_row": row, "log_time": LOGGED}
        for offset, row in places
    ]
    write(table_path(tables, model, "predictions"), rows, PREDICTIONS, app_id(TOPIC, partition), next_offset)


def labels(tables: Path, kind: TableKind, *places: Place, next_offset: int) -> None:
    rows = [{"source_partition": 0, "source_offset": offset, "source_row": row} for offset, row in places]
    write(table_path(tables, "flights", kind), rows, LABELS, app_id("driftline.labels", 0), next_offset)


def rejected(tables: Path, *offsets: int) -> None:
    rows = [
        {"topic": TOPIC, "partition": 0, "offset": offset, "reason": "why", "log_time": LOGGED} for offset in offsets
    ]
    write(rejected_path(tables), rows, REJECTED, app_id(TOPIC, 0), max(offsets) + 1)


def only(tables: Path) -> PartitionReport:
    (report,) = completeness(open_log(tables)).partitions
    return report


def test_an_empty_log_is_complete(tmp_path: Path) -> None:
    assert completeness(open_log(tmp_path / "nothing")).complete


def test_offsets_are_united_over_models_and_rejected_messages(tmp_path: Path) -> None:
    predictions(tmp_path, (5, 0), (5, 1), (7, 0), next_offset=8)
    predictions(tmp_path, (6, 0), next_offset=7, model="wine")
    rejected(tmp_path, 8)
    report = only(tmp_path)
    assert (report.first_offset, report.next_offset, report.messages, report.rows) == (5, 9, 4, 4)
    assert (report.rejected, report.complete) == (1, True)


def test_partitions_are_told_apart(tmp_path: Path) -> None:
    predictions(tmp_path, (0, 0), next_offset=1)
    predictions(tmp_path, (0, 0), (2, 0), next_offset=3, partition=1)
    report = completeness(open_log(tmp_path))
    assert [part.complete for part in report.partitions] == [True, False]
    assert not report.complete
    assert completeness(open_log(tmp_path), Wanted(TOPIC, 0)).complete


def test_a_gap_is_said(tmp_path: Path) -> None:
    predictions(tmp_path, (0, 0), (2, 0), (6, 0), next_offset=7)
    report = only(tmp_path)
    assert (report.gaps, report.complete) == ((Gap(first=1, last=1), Gap(first=3, last=5)), False)


def test_a_row_that_is_there_twice_is_said(tmp_path: Path) -> None:
    predictions(tmp_path, (0, 0), (0, 1), next_offset=1)
    predictions(tmp_path, (0, 1), next_offset=1)
    assert (only(tmp_path).repeats, only(tmp_path).complete) == (1, False)


@pytest.mark.parametrize("also", ["another model", "the rejected"])
def test_a_message_in_two_tables_is_said(tmp_path: Path, also: str) -> None:
    predictions(tmp_path, (0, 0), next_offset=1)
    if also == "the rejected":
        rejected(tmp_path, 0)
    else:
        predictions(tmp_path, (0, 0), next_offset=1, model="wine")
    assert (only(tmp_path).repeats, only(tmp_path).complete) == (1, False)


def test_a_message_that_was_rejected_twice_is_said(tmp_path: Path) -> None:
    rejected(tmp_path, 0, 0)
    assert (only(tmp_path).repeats, only(tmp_path).complete) == (1, False)


def test_a_row_missing_inside_a_message_is_said(tmp_path: Path) -> None:
    predictions(tmp_path, (0, 0), (0, 2), next_offset=1)
    assert only(tmp_path).problems == ("1 rows are missing inside messages",)


@pytest.mark.parametrize("next_offset", [1, 3])
def test_rows_that_contradict_the_next_offset_are_said(tmp_path: Path, next_offset: int) -> None:
    predictions(tmp_path, (0, 0), (1, 0), next_offset=next_offset)
    report = only(tmp_path)
    assert report.problems == (f"the next offset by the tables' commits is {next_offset}, their rows end before 2",)
    assert not report.complete


def test_a_message_with_labels_of_both_kinds_is_one(tmp_path: Path) -> None:
    labels(tmp_path, "labels", (0, 0), (0, 2), (1, 0), next_offset=2)
    labels(tmp_path, "business", (0, 1), (2, 0), next_offset=3)
    report = only(tmp_path)
    assert (report.messages, report.rows, report.next_offset, report.complete) == (3, 5, 3, True)


def test_a_row_of_labels_in_both_tables_is_said(tmp_path: Path) -> None:
    labels(tmp_path, "labels", (0, 0), (0, 1), next_offset=1)
    labels(tmp_path, "business", (0, 1), next_offset=1)
    assert (only(tmp_path).repeats, only(tmp_path).complete) == (1, False)


def test_a_row_of_labels_in_no_table_is_said(tmp_path: Path) -> None:
    labels(tmp_path, "labels", (0, 0), next_offset=1)
    labels(tmp_path, "business", (0, 2), next_offset=1)
    assert only(tmp_path).problems == ("1 rows are missing inside messages",)
