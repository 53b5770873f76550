"""An entity is forgotten everywhere, the log stays complete, and whoever pinned its rows is told why they are gone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from services.feature_logging.models import Known
from services.feature_logging.store.compaction import compact
from services.feature_logging.store.forgetting.concealing import Concealer
from services.feature_logging.store.forgetting.orders import Forgetting, Forgotten
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.table import Fenced, LogTable
from services.feature_logging.stream.intake import Intake
from shared.definition import ModelDefinition
from shared.feature_log.completeness import completeness
from shared.feature_log.forgotten import Orders, forgotten_path, ids_path
from shared.feature_log.opened import open_log
from shared.feature_log.schema import table_path
from shared.feature_log.snapshot import Bounds, SnapshotChanged, pin_snapshot, read_snapshot
from tests.unit.feature_logging.aged_log import meanwhile
from tests.unit.feature_logging.samples import (
    CATEGORIES,
    MODEL,
    START,
    definition,
    feature_log,
    place,
    prediction_message,
    rows_of,
)
from tests.unit.feature_logging.test_privacy import sensitive
from tests.unit.shared.feature_log.small_log import Log, hours, key

FAR = datetime(2100, 1, 1, tzinfo=UTC)


def forgetting(tables: Path) -> Forgetting:
    return Forgetting(tables, KeyStore(tables.parent / "keys"))


def forget(tables: Path, entity: str, model: str | None = None) -> Forgotten:
    orders = forgetting(tables)
    return orders.carry_out(orders.order(entity, model, "local-admin"), entity)


def told(done: Forgotten) -> dict[str, int]:
    return {f"{each.model}/{each.table}": each.rows for each in done.tables}


def on_disk(tables: Path) -> str:
    """All values in all files of the tables, those of older versions as well; but not what is remembered of it."""
    files = [path for path in tables.rglob("*.parquet") if "_delta_log" not in path.parts and MODEL in path.parts]
    return str([pq.ParquetFile(path).read().to_pylist() for path in files])


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Requests 1 to 4, two of Ann and two of others, with labels and business results; and a row of Ann's history."""
    log = Log(tmp_path / "tables")
    with log.together():
        for number, entity in ((1, "Ann"), (2, "Bob"), (3, "Ann"), (4, None)):
            log.predict(number, hours(number), entity=entity, origin=f"from {entity}", traceparent=f"trace {entity}")
            log.label(number, hours(9), 1.0)
            log.label(number, hours(10), 900.5, kind="business")
        log.append(
            "history",
            {
                "request_id": key(7),
                "row": 0,
                "event_time": hours(1),
                "entity": "Ann",
                "label": 1.0,
                "label_time": hours(2),
            },
            {
                "request_id": key(8),
                "row": 0,
                "event_time": hours(1),
                "entity": "Bob",
                "label": 1.0,
                "label_time": hours(2),
            },
        )
    return log


def read(log: Log, kind: str) -> list[dict[str, object]]:
    rows = DeltaTable(log.tables / MODEL / kind).to_pyarrow_table().to_pylist()
    return sorted(rows, key=lambda row: row.get("source_offset", 0))


def test_of_its_rows_only_their_places_and_times_are_left_and_others_are_as_they_were(log: Log) -> None:
    before = {kind: read(log, kind) for kind in ("predictions", "labels", "business", "history")}
    done = forget(log.tables, "Ann")
    counts = {"flights/labels": 2, "flights/business": 2, "flights/predictions": 2, "flights/history": 1}
    assert told(done) == counts
    for kind, rows in before.items():
        after = read(log, kind)
        if kind == "history":
            assert [row["entity"] for row in after] == ["Bob"]
            continue
        ours = [place for place, row in enumerate(before["predictions"]) if row["entity"] == "Ann"]
        assert [row for at, row in enumerate(after) if at not in ours] == [
            row for at, row in enumerate(rows) if at not in ours
        ]
        for at in ours:
            kept = {name for name, value in after[at].items() if value is not None} - {"role"}
            assert kept >= {"event_time", "event_day", "log_time", "source_offset"}
            assert {name: after[at][name] for name in kept} == {name: rows[at][name] for name in kept}
            assert after[at]["request_id"] is None
    assert [row["role"] for row in read(log, "predictions")] == ["forgotten", "champion", "forgotten", "champion"]


def test_nothing_of_it_is_left_in_any_file_of_any_version(log: Log) -> None:
    DeltaTable(log.tables / MODEL / "predictions").optimize.compact()  # the files before lie there still
    assert "Ann" in on_disk(log.tables)
    forget(log.tables, "Ann")
    left = on_disk(log.tables)
    assert "Ann" not in left
    assert str(key(1)) not in left
    assert "from Bob" in left


def test_records_of_many_orders_are_compacted_and_all_are_known(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.feature_logging.store.compactor.EVERY", 5)
    for entity in (*map(str, range(10)), "Ann"):
        forget(log.tables, entity)
    for path in (forgotten_path(log.tables), ids_path(log.tables)):
        assert len(DeltaTable(path).file_uris()) <= 5
        assert list((path / "_delta_log").glob("*.checkpoint.parquet"))
    assert len({order.entity for order in Orders(log.tables)()}) == 11
    assert "Ann" not in on_disk(log.tables)


def test_forgetting_again_finds_nothing_more_and_is_written_down_as_well(log: Log) -> None:
    first, again = forget(log.tables, "Ann"), forget(log.tables, "Ann")
    assert set(told(again).values()) == {0}
    rows = DeltaTable(forgotten_path(log.tables)).to_pyarrow_table().to_pylist()
    assert {row["id"] for row in rows} == {first.id, again.id}
    assert {row["by"] for row in rows} == {"local-admin"}
    assert "Ann" not in str(rows)
    assert sum(row["rows"] for row in rows if row["id"] == first.id and row["table"]) == 7


def test_one_models_data_can_be_forgotten_alone(log: Log) -> None:
    (log.tables / MODEL).rename(log.tables / "wine")
    log.predict(1, hours(1), entity="Ann")
    assert told(forget(log.tables, "Ann", MODEL)) == {"flights/predictions": 1}
    assert set(told(forget(log.tables, "Ann"))) == {
        "flights/predictions",
        *(f"wine/{kind}" for kind in ("predictions", "labels", "business", "history")),
    }


def test_snapshots_of_before_say_that_they_changed_and_why_and_those_without_its_rows_do_not(log: Log) -> None:
    log.predict(20, hours(30), entity="Bob")
    bounds = Bounds(START, hours(24), FAR, None, "left")
    pin = pin_snapshot(log.tables, MODEL, bounds).pin
    other = pin_snapshot(log.tables, MODEL, Bounds(hours(25), hours(48), hours(31), None, "left")).pin
    log.label(20, hours(40), 1.0)
    done = forget(log.tables, "Ann")
    with pytest.raises(SnapshotChanged, match=f"forgotten on .* by local-admin .record {done.id} of _forgotten"):
        read_snapshot(log.tables, MODEL, pin)
    after = pin_snapshot(log.tables, MODEL, bounds)
    assert {row["entity"] for row in after.table.to_pylist()} == {"Bob", None}
    assert read_snapshot(log.tables, MODEL, after.pin).pin == after.pin
    with pytest.raises(SnapshotChanged):  # its labels' day is that of hers, and the file is gone
        read_snapshot(log.tables, MODEL, other)


def intake(tables: Path, known: ModelDefinition) -> Intake:
    keys = KeyStore(tables.parent / "keys")
    concealer = Concealer(tables, keys)
    bundle = Known(known, CATEGORIES, keys, concealer.predictions)
    return Intake(feature_log(tables), lambda _: bundle, concealer)


async def test_the_log_stays_complete_and_writers_go_on(tmp_path: Path) -> None:
    way_in = intake(tmp_path / "tables", definition())
    await way_in.handle(prediction_message(0))
    await way_in.flush()
    entities = [row for row in rows_of(place(tmp_path / "tables"))["entity"].to_pylist() if row]
    assert told(forget(tmp_path / "tables", entities[0])) == {"flights/predictions": 1}
    await way_in.handle(prediction_message(1))
    await way_in.flush()
    report = completeness(open_log(tmp_path / "tables"))
    assert (report.complete, report.partitions[0].rows, report.partitions[0].next_offset) == (True, 6, 2)


async def test_rows_that_were_logged_before_the_order_but_come_later_are_concealed(tmp_path: Path) -> None:
    way_in = intake(tmp_path / "tables", definition())
    await way_in.handle(prediction_message(0, count=4))  # waits in the buffer
    forget(tmp_path / "tables", "N1")
    await way_in.flush()
    rows = rows_of(place(tmp_path / "tables")).to_pylist()
    assert [(row["entity"], row["role"]) for row in rows] == [
        *((None, "champion"), (None, "forgotten"), (None, "champion"), ("N3", "champion")),
    ]
    later = datetime.now(UTC) + timedelta(hours=1)
    message = replace(prediction_message(1, count=4), timestamp_ms=int(later.timestamp() * 1000))
    forget(tmp_path / "tables", "N1001")
    await way_in.handle(message)  # of the same day, but logged after the order: it came again of itself
    await way_in.flush()
    assert rows_of(place(tmp_path / "tables"))["entity"].to_pylist().count("N1001") == 1


async def test_keys_of_the_model_go_with_its_rows(tmp_path: Path) -> None:
    known = sensitive("encrypt", "leave_out", entity=True)
    way_in = intake(tmp_path / "tables", known)
    await way_in.handle(prediction_message(0, count=4, definition_digest=known.digest))
    await way_in.flush()
    assert forget(tmp_path / "tables", "N3", "wine").keys_deleted == 0
    done = forget(tmp_path / "tables", "N3")
    assert (done.keys_deleted, told(done)) == (1, {"flights/predictions": 1})


def test_a_compaction_under_way_brings_nothing_back(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table_path(log.tables, MODEL, "predictions")
    log.predict(5, hours(5), entity="Ann")  # a second file of the day
    other = LogTable(place(log.tables))
    done = meanwhile(monkeypatch, path, lambda: forget(log.tables, "Ann"))
    with pytest.raises(Fenced):
        compact(other)
    assert "Ann" not in on_disk(log.tables)  # nor in what the compaction had written
    roles = DeltaTable(path).to_pyarrow_table()["role"].to_pylist()
    assert sorted(roles) == [*["champion"] * 2, *["forgotten"] * 3]
    assert done == [path]


def test_a_forgetting_goes_on_over_a_compaction(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table_path(log.tables, MODEL, "predictions")
    orders = forgetting(log.tables)
    order = orders.order("Ann", None, "local-admin")
    done = meanwhile(monkeypatch, path, lambda: compact(LogTable(place(log.tables))))
    assert sum(told(orders.carry_out(order, "Ann")).values()) == 7
    assert "Ann" not in on_disk(log.tables)
    assert len(DeltaTable(path).to_pyarrow_table()) == 4
    assert done == [path]
