"""A store that can't be reached says nothing of what it holds."""

from pathlib import Path

import pytest

from shared.feature_log.snapshot import Bounds, SnapshotChanged, pin_snapshot, read_snapshot
from shared.storage import place_at
from tests.unit.shared.feature_log.small_log import MODEL, START, Log, hours


def outage(*_: object) -> None:
    raise OSError("no answer")


def is_gone(*_: object) -> None:
    raise FileNotFoundError("no such object")


def nothing_was_forgotten(*_: object) -> None:
    """By then the store answers again."""


def test_rows_that_a_store_does_not_give_just_now_have_not_changed(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.predict(1, hours(1))
    pin = pin_snapshot(log.tables, MODEL, Bounds(START, hours(48), hours(96), "regression", "left")).pin
    store: Path = place_at("s3://bucket/tables")
    monkeypatch.setattr("shared.feature_log.snapshot.forgotten_since", nothing_was_forgotten)
    monkeypatch.setattr("shared.feature_log.snapshot.open_table", outage)
    with pytest.raises(OSError, match="no answer"):
        read_snapshot(store, MODEL, pin)
    monkeypatch.setattr("shared.feature_log.snapshot.open_table", is_gone)
    with pytest.raises(SnapshotChanged, match="no such object"):
        read_snapshot(store, MODEL, pin)
