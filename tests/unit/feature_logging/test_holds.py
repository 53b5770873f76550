"""What a training run, or somebody, has asked to be kept stays readable though no bundle names it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.feature_logging.__main__ import main
from services.feature_logging.store.table import LogTable
from services.feature_logging.store.upkeep.pins import PinnedVersions
from shared.events import SnapshotPin
from shared.feature_log.holds import FOLDER, Hold, hold, holds
from shared.feature_log.snapshot import SnapshotChanged, read_snapshot
from tests.unit.feature_logging.samples import MODEL, START, place, rows_of
from tests.unit.feature_logging.test_compaction import commit
from tests.unit.feature_logging.test_upkeep import (
    cleaned,
    commit_and_compact,
    label,
    snapshot,
    train_on,
    years_pass,
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Four commits, all labelled; a bundle that was trained on something else."""
    table = LogTable(place(tmp_path / "tables"))
    commit(table, 0)
    train_on(tmp_path / "bundles", snapshot(tmp_path / "tables").model_copy(update={"predictions_version": 0}))
    for offset in range(1, 4):
        commit(table, offset)
    label(tmp_path / "tables", rows_of(place(tmp_path / "tables")))
    return tmp_path


def pass_by(state: Path) -> None:
    """Years pass, all is merged, and what nobody needs is removed."""
    table = LogTable(place(state / "tables"))
    commit_and_compact(table, *range(4, 10))
    commit_and_compact(table, *range(10, 20))
    years_pass(state / "tables")
    cleaned(state / "tables", state / "bundles")


def held(state: Path, pin: SnapshotPin, until: datetime) -> None:
    hold(state / "bundles", Hold(model=MODEL, pin=pin, until=until))


def test_a_held_version_can_be_read_until_the_hold_ends(state: Path) -> None:
    pin = snapshot(state / "tables")
    held(state, pin, datetime.now(UTC) + timedelta(days=1))
    pass_by(state)
    assert read_snapshot(state / "tables", MODEL, pin).pin == pin
    for path in (state / "bundles" / FOLDER).iterdir():
        path.write_text(Hold(model=MODEL, pin=pin, until=START).model_dump_json())
    cleaned(state / "tables", state / "bundles")
    with pytest.raises(SnapshotChanged):
        read_snapshot(state / "tables", MODEL, pin)


def test_holds_that_have_ended_go_with_the_next_one(state: Path) -> None:
    pin = snapshot(state / "tables")
    for until in (START, datetime.now(UTC) + timedelta(days=1)):
        held(state, pin, until)
    assert len(list((state / "bundles" / FOLDER).iterdir())) == 1


def test_where_a_hold_can_not_be_read_nothing_is_removed(state: Path) -> None:
    held(state, snapshot(state / "tables"), datetime.now(UTC) + timedelta(days=1))
    (path,) = (state / "bundles" / FOLDER).iterdir()
    path.write_text("{}")
    with capture_logs() as lines:
        pass_by(state)
    assert [path.name in line["why"] for line in lines if "can't clean" in line["event"]] == [True, True]
    assert len(list((state / "tables" / MODEL / "predictions" / "_delta_log").glob("*.json"))) == 23


def test_the_command_holds_what_it_pins(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["snapshot", MODEL, "--from", "2013-01-01T00:00:00Z", "--to", "2014-01-01T00:00:00Z"]
    asked += ["--as-of", "2100-01-01T00:00:00Z", "--label-kind", "binary", "--state", str(state)]
    assert main([*asked, "--hold", "0"]) == 1
    assert "--hold: days, more than 0" in capsys.readouterr().err
    assert main([*asked, "--hold", "30"]) == 0
    pinned = json.loads(capsys.readouterr().out)["pin"]
    (held,) = holds(state / "bundles")
    assert held.pin.model_dump(mode="json") == pinned
    assert PinnedVersions(state / "bundles").now()[f"{MODEL}/predictions"] == {0, pinned["predictions_version"]}
