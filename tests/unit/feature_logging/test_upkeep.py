"""What no version needs is removed; pinned versions, young ones and readers in the midst of a table are left alone."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from structlog.testing import capture_logs

from services.feature_logging.domain.evolution import conform
from services.feature_logging.store.compaction import checkpoint, compact
from services.feature_logging.store.files import write_files
from services.feature_logging.store.pending import Pending
from services.feature_logging.store.table import LogTable
from services.feature_logging.store.upkeep.cycle import Kept, Upkeep
from services.feature_logging.store.upkeep.pins import PinnedVersions
from services.feature_logging.store.upkeep.vacuum import Removed, clean
from shared.events import SnapshotPin
from shared.feature_log.schema import LABELS
from shared.feature_log.snapshot import Bounds, pin_snapshot, read_snapshot
from shared.lineage import Lineage
from tests.unit.feature_logging.samples import DEFINITION, MODEL, START, place, rows_of
from tests.unit.feature_logging.test_compaction import P0, P1, commit
from tests.unit.feature_logging.test_table import waiting

HOUR = 3600.0
BEYOND = datetime(2013, 4, 1, tzinfo=UTC)


def years_pass(path: Path) -> None:
    """All files there now are old."""
    for file in path.rglob("*"):
        os.utime(file, (0, os.stat(file).st_mtime - 10 * 366 * 24 * HOUR))


def commit_and_compact(table: LogTable, *offsets: int) -> None:
    for offset in offsets:
        commit(table, offset)
    compact(table)
    checkpoint(table)


def train_on(bundles: Path, pin: SnapshotPin) -> None:
    """A bundle as far as its pins are read."""
    lineage = Lineage(
        code_commit="unknown", snapshot=pin, training_function="m:f", hyperparameters={}, seed=0, environment="0" * 64
    )
    bundle = bundles / pin.row_hash
    bundle.mkdir(parents=True)
    (bundle / "lineage.json").write_bytes(lineage.to_json())
    (bundle / "definition.toml").write_text(DEFINITION.format(origin_kind="categorical", more=""))


def snapshot(tables: Path) -> SnapshotPin:
    return pin_snapshot(tables, MODEL, Bounds(START - timedelta(days=1), BEYOND, BEYOND, "binary")).pin


def label(tables: Path, rows: pa.Table) -> None:
    """A label for each row, at the row's own time."""
    table, count = LogTable(place(tables, "labels")), len(rows)
    own = {name: rows.column(name) for name in LABELS.names if name in rows.column_names}
    given = {"kind": pa.repeat("label", count), "value": pa.repeat(1.0, count), "prediction_time": own["event_time"]}
    pending = Pending(LABELS)
    pending.add(pa.table(own | given).select(LABELS.names).cast(LABELS), "labels", judged=0, version=1)
    table.commit(pending)


def cleaned(tables: Path, bundles: Path) -> list[str]:
    """Clean all tables once; gives what was said of damage."""
    damage: list[str] = []
    upkeep = Upkeep(
        tables, bundles, Kept(24), 1, lambda found: damage.extend(said for each in found for said in each.told())
    )
    upkeep.clean_all()
    return damage


def files(path: Path) -> set[Path]:
    return {file for file in path.rglob("*") if file.is_file()}


def data_files(path: Path) -> set[Path]:
    return {file for file in path.rglob("*.parquet") if "_delta_log" not in file.parts}


def test_a_pinned_version_stays_through_compaction_checkpoint_vacuum_and_log_cleanup(tmp_path: Path) -> None:
    tables, bundles = tmp_path / "tables", tmp_path / "bundles"
    table = LogTable(place(tables))
    commit_and_compact(table, 0, 1, 2)
    commit(table, 3)
    pinned = table.delta.version()
    label(tables, rows_of(place(tables)))
    pin = snapshot(tables)
    assert (pin.predictions_version, pin.labels_version, pin.rows) == (pinned, 1, 8)
    train_on(bundles, pin)
    commit_and_compact(table, *range(4, 10))
    commit_and_compact(table, *range(10, 20))
    years_pass(tables)
    before = files(table.path)
    cleaned(tables, bundles)
    gone = before - files(table.path)
    assert {path.suffix for path in gone} == {".json", ".parquet"}
    assert read_snapshot(tables, MODEL, pin).pin == pin
    needed = DeltaTable(table.path).file_uris() + DeltaTable(table.path, version=pinned).file_uris()
    assert data_files(table.path) == {Path(uri) for uri in needed}
    assert LogTable(place(tables)).version_of(P0) == 20
    (bundles / pin.row_hash).rename(tmp_path / "away")
    train_on(bundles, snapshot(tables))
    cleaned(tables, bundles)
    assert data_files(table.path) == {Path(uri) for uri in DeltaTable(table.path).file_uris()}
    log = sorted(path.name for path in (table.path / "_delta_log").iterdir())
    assert log[-2:] == [f"{table.delta.version():020}.json", "_last_checkpoint"]
    assert len(log) == 3


def test_what_was_the_newest_version_lately_can_still_be_read(tmp_path: Path) -> None:
    table = LogTable(place(tmp_path))
    commit_and_compact(table, 0, 1, 2)
    commit(table, 3)
    years_pass(tmp_path)
    reader = DeltaTable(table.path)  # in the midst of it
    before = reader.to_pyarrow_table().num_rows
    commit_and_compact(table, *range(4, 8))
    lately = range(reader.version(), table.delta.version() + 1)
    assert clean(table.path, (), age=HOUR).data_files == 2  # merged at first
    assert reader.to_pyarrow_table().num_rows == before
    for version in lately:
        assert DeltaTable(table.path, version=version).to_pyarrow_table().num_rows >= before


def test_what_a_killed_writer_left_goes_and_what_waits_for_its_commit_stays(tmp_path: Path) -> None:
    table = LogTable(place(tmp_path))
    commit(table, 0)
    years_pass(tmp_path)
    left, waits = table.path / "event_day=2013-03-01/part-left.parquet", table.path / "part-waits.parquet"
    for path in (left, waits):
        path.write_bytes(b"")
    os.utime(left, (0, time.time() - 1.2 * HOUR))
    os.utime(waits, (0, time.time() - 1.05 * HOUR))
    assert clean(table.path, (), age=HOUR) == Removed(1, 0)
    assert (left.exists(), waits.exists()) == (False, True)


def test_a_file_that_waited_long_for_its_commit_is_as_young_as_that(tmp_path: Path) -> None:
    table = LogTable(place(tmp_path))
    pending = waiting(table, 0)
    pending.files = write_files(table.path, conform(pending.rows(), table.schema))
    years_pass(tmp_path)
    pending.files[0].modification_time = 0
    table.commit(pending)
    commit_and_compact(table, 1)
    assert clean(table.path, (), age=HOUR).data_files == 0
    assert DeltaTable(table.path, version=1).to_pyarrow_table().num_rows == 3


def test_a_file_that_is_gone_when_its_commit_comes_is_written_again(tmp_path: Path) -> None:
    table = LogTable(place(tmp_path))
    pending = waiting(table, 0)
    pending.files = write_files(table.path, conform(pending.rows(), table.schema))
    (table.path / pending.files[0].path).unlink()
    table.commit(pending)
    assert DeltaTable(table.path).to_pyarrow_table().num_rows == 3


def test_a_writer_that_slept_while_the_log_before_it_was_cleaned_goes_on_where_the_others_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asleep, awake = LogTable(place(tmp_path)), LogTable(place(tmp_path))
    commit_and_compact(awake, *range(4))
    years_pass(tmp_path)
    commit_and_compact(awake, *range(4, 8))
    years_pass(tmp_path)
    clean(awake.path, (), age=HOUR)
    monkeypatch.setattr("services.feature_logging.store.table.FRESH", 0)
    commit(asleep, 0, partition=1)
    table = LogTable(place(tmp_path))
    assert (table.version_of(P0), table.version_of(P1), table.delta.to_pyarrow_table().num_rows) == (8, 1, 18)


def test_without_a_bundle_nothing_is_removed_since_nobody_knows_what_is_pinned(tmp_path: Path) -> None:
    table = LogTable(place(tmp_path / "tables"))
    commit_and_compact(table, 0, 1)
    years_pass(tmp_path)
    before = files(tmp_path)
    for bundles in (tmp_path / "bundles", tmp_path / "tables" / "none"):
        with capture_logs() as lines:
            cleaned(tmp_path / "tables", bundles)
        assert "can't clean a table" in lines[0]["event"]
        bundles.mkdir()
    assert files(tmp_path) == before


def test_a_folder_that_is_no_bundle_pins_nothing_and_others_do(tmp_path: Path) -> None:
    tables, bundles = tmp_path / "tables", tmp_path / "bundles"
    commit(LogTable(place(tables)), 0)
    train_on(bundles, snapshot(tables))
    (bundles / "lost+found").mkdir()
    assert PinnedVersions(bundles).now() == {"flights/predictions": frozenset({1})}


@pytest.mark.parametrize("name", ["lineage.json", "definition.toml"])
def test_a_bundle_that_is_being_copied_into_the_store_pins_what_it_does_once_it_is_there(
    tmp_path: Path, name: str
) -> None:
    bundles = tmp_path / "bundles"
    pin = SnapshotPin(predictions_version=1, start=START, end=START, as_of=START, rows=0, row_hash="ab" * 32)
    train_on(bundles, pin)
    pinned, whole = PinnedVersions(bundles), (bundles / pin.row_hash / name).read_bytes()
    for so_far in (None, whole[: len(whole) // 2]):
        (bundles / pin.row_hash / name).unlink()
        if so_far is not None:
            (bundles / pin.row_hash / name).write_bytes(so_far)
        with pytest.raises(OSError, match=f"can't tell what the bundle .*{pin.row_hash} pins"):
            pinned.now()
        (bundles / pin.row_hash / name).write_bytes(b"")
    (bundles / pin.row_hash / name).write_bytes(whole)
    assert pinned.now() == {"flights/predictions": frozenset({1})}


def test_a_damaged_table_is_told_and_not_cleaned(tmp_path: Path) -> None:
    tables, bundles = tmp_path / "tables", tmp_path / "bundles"
    table = LogTable(place(tables))
    commit_and_compact(table, 0, 1, 2)
    train_on(bundles, snapshot(tables))
    commit_and_compact(table, 3, 4)
    years_pass(tables)
    lost = Path(table.delta.file_uris()[0])
    lost.unlink()
    before = files(tables)
    assert cleaned(tables, bundles) == [f"data file {lost.relative_to(table.path)} is gone"]
    assert files(tables) == before
