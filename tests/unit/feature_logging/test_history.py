"""History comes in once, column by column as the definition says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from services.feature_logging.domain.history import history_rows
from services.feature_logging.store.history import import_history
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.log import FeatureLog
from shared.batch import request_key
from shared.errors import InvalidInput
from shared.events.retraining import LabelsWanted
from shared.feature_log.schema import table_path
from shared.feature_log.snapshot import Bounds, pin_snapshot
from tests.unit.feature_logging.samples import MODEL, START, definition, feature_log, place
from tests.unit.feature_logging.test_log import take

NOW = START + timedelta(days=400)
TIMES = [START + timedelta(hours=hour) for hour in range(3)]


def history(**changes: Any) -> pa.Table:
    """A file of three rows; a change is another column in a column's place, or None to leave it out."""
    columns = {
        "request_id": ["a", "b", "c"],
        "row": [0, 0, 0],
        "entity": [None, "N1", "N2"],
        "event_time": pa.array(TIMES, pa.timestamp("ns", "UTC")),
        "wind": [1.5, float("nan"), None],
        "origin": pa.array(["JFK", "", None]).dictionary_encode(),
        "temp": [1, 2, 3],
        "label": [True, False, None],
        "label_time": pa.array([*TIMES[:2], None], pa.timestamp("us", "America/New_York")),
    }
    return pa.table({name: column for name, column in (columns | changes).items() if column is not None})


def test_a_file_becomes_history_rows() -> None:
    rows = history_rows(history(event_day=["ignored"] * 3, log_time=["ignored"] * 3), definition(), NOW).to_pylist()
    assert rows[0] == {
        "request_id": request_key(MODEL, "a"),
        "row": 0,
        "entity": None,
        "event_time": START,
        "event_day": START.date(),
        "log_time": NOW,
        "label": 1.0,
        "label_time": START,
        "wind": 1.5,
        "origin": "JFK",
        "temp": 1.0,
    }
    assert [(row["wind"], row["origin"], row["label"]) for row in rows[1:]] == [(None, None, 0.0), (None, None, None)]


def test_ids_may_be_the_sixteen_bytes_themselves() -> None:
    ids = pa.array([bytes([number]) * 16 for number in range(3)], pa.binary(16))
    assert history_rows(history(request_id=ids), definition(), NOW)["request_id"].to_pylist() == ids.to_pylist()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"wind": None}, "wind"),
        ({"label_time": None}, "label_time"),
        ({"surprise": [1, 2, 3]}, "surprise"),
        ({"wind": ["a", "b", "c"]}, "wind"),
        ({"wind": [1.0, float("inf"), 2.0]}, "wind"),
        ({"origin": [1, 2, 3]}, "origin"),
        ({"event_time": pa.array([datetime(2013, 1, 1)] * 3)}, "event_time"),  # noqa: DTZ001  # that is the fault
        ({"event_time": pa.array([TIMES[0], None, TIMES[1]])}, "event_time"),
        ({"row": [0.0, 0.0, 0.0]}, "row"),
        ({"row": [0, 0, 2**40]}, "row"),
        ({"row": [0, None, 0]}, "row"),
        ({"request_id": ["a", None, "c"]}, "request_id"),
        ({"request_id": [b"short", b"x", b"y"]}, "request_id"),
        ({"request_id": [1, 2, 3]}, "request_id"),
        ({"label": ["yes", "no", "no"]}, "label"),
        ({"label": [1.0, 1.0, 1.0]}, "label_time"),
        ({"label": [1.0, 2.0, None]}, "label"),
        ({"label_time": pa.array([TIMES[0], TIMES[0], None], pa.timestamp("us", "UTC"))}, "label_time"),
        ({"wind": None, "label_time": None, "origin": None}, "label_time, origin, wind"),
        ({"request_id": None}, "row"),
        ({"late": [1.0, 0.0, None]}, "late"),
    ],
)
def test_a_wrong_column_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        history_rows(history(**({"surprise": None} | changes)), definition(), NOW)
    assert refused.value.field == field


def test_the_label_may_have_its_name_in_the_definition() -> None:
    rows = history_rows(history(label=None, late=[True, False, None]), definition(), NOW)
    assert rows["label"].to_pylist() == [1.0, 0.0, None]


def test_a_file_needs_no_ids_rows_or_entities() -> None:
    rows = history_rows(history(request_id=None, row=None, entity=None), definition(), NOW)
    assert len(set(rows["request_id"].to_pylist())) == 3
    assert (rows["row"].to_pylist(), rows["entity"].to_pylist()) == ([0] * 3, [None] * 3)
    assert history_rows(history(row=None), definition(), NOW)["row"].to_pylist() == [0] * 3


def test_rows_without_ids_that_come_again_in_another_file_are_the_same_rows(tmp_path: Path) -> None:
    rows = history(request_id=None, row=None)
    same = pa.concat_tables([rows.slice(0, 1)] * 2)  # two rows that say the same, one late and one not, are two
    twins = same.set_column(same.column_names.index("label"), "label", pa.array([True, False]))
    for number, table in enumerate((twins, pa.concat_tables([twins.take([1, 0]), rows.slice(1, 1)]))):
        pq.write_table(table, tmp_path / f"{number}.parquet")
        assert import_history(
            tmp_path / "tables", definition(), tmp_path / f"{number}.parquet", KeyStore(tmp_path / "keys")
        ).added
    end = START + timedelta(days=1)
    snapshot = pin_snapshot(tmp_path / "tables", MODEL, Bounds(START, end, end, "binary"))
    assert sorted(snapshot.table["label"].to_pylist()) == [0.0, 0.0, 1.0]


def test_what_is_imported_was_not_known_before_unless_events_were_replayed(tmp_path: Path) -> None:
    pq.write_table(history(), tmp_path / "history.parquet")
    began, end = datetime.now(UTC), START + timedelta(days=1)
    import_history(tmp_path / "tables", definition(), tmp_path / "history.parquet", KeyStore(tmp_path / "keys"))

    def known(by: datetime | None, labels: LabelsWanted) -> int:
        return len(pin_snapshot(tmp_path / "tables", MODEL, Bounds(START, end, end, "binary", labels, by)))

    moments = (began, datetime.now(UTC), None)
    assert [known(by, "required") for by in moments] == [0, 2, 2]
    assert [known(by, "left") for by in moments] == [0, 3, 3]


def test_a_file_without_rows_is_refused() -> None:
    with pytest.raises(InvalidInput, match="rows"):
        history_rows(history().slice(0, 0), definition(), NOW)


def test_the_same_file_twice_is_there_once_and_trains(tmp_path: Path) -> None:
    file = tmp_path / "history.parquet"
    pq.write_table(history(), file)
    first = import_history(tmp_path / "tables", definition(), file, KeyStore(tmp_path / "keys"))
    again = import_history(tmp_path / "tables", definition(), file, KeyStore(tmp_path / "keys"))
    assert (first.rows, first.added, again.added, again.version) == (3, True, False, first.version)
    end = START + timedelta(days=1)
    snapshot = pin_snapshot(tmp_path / "tables", MODEL, Bounds(START, end, end, "binary"))
    assert snapshot.table["label"].to_pylist() == [1.0, 0.0]
    assert np.isnan(snapshot.table["wind"].to_numpy()[1])


def test_other_files_add_their_rows_and_many_are_compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.feature_logging.store.compactor.EVERY", 3)
    for number in range(4):
        file = tmp_path / f"{number}.parquet"
        pq.write_table(history(request_id=[f"{number}-{row}" for row in range(3)]), file)
        assert import_history(tmp_path / "tables", definition(), file, KeyStore(tmp_path / "keys")).added
    end = START + timedelta(days=1)
    assert len(pin_snapshot(tmp_path / "tables", MODEL, Bounds(START, end, end, "binary"))) == 8
    files = DeltaTable(table_path(tmp_path / "tables", MODEL, "history")).file_uris()
    assert len(files) < 4


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "history.parquet"
    file.write_bytes(b"PAR1 not really")
    with pytest.raises(InvalidInput, match="file"):
        import_history(tmp_path / "tables", definition(), file, KeyStore(tmp_path / "keys"))
    assert not (tmp_path / "tables").exists()


async def test_a_feature_that_was_logged_with_another_type_is_refused(tmp_path: Path) -> None:
    log: FeatureLog = feature_log(tmp_path)
    await take(log, place(tmp_path), 0)
    await log.commit()
    file = tmp_path / "history.parquet"
    pq.write_table(history(origin=[1.0, 2.0, 3.0]), file)
    with pytest.raises(InvalidInput, match="origin"):
        import_history(tmp_path, definition(origin_kind="numeric"), file, KeyStore(tmp_path / "keys"))
