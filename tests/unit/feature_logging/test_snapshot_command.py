"""`python -m services.feature_logging snapshot`, on real tables."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from services.feature_logging.__main__ import main
from services.feature_logging.commands import snapshot
from services.feature_logging.stream.intake import Intake
from shared.feature_log.schema import table_path
from tests.unit.feature_logging.samples import (
    DIGEST,
    MODEL,
    FakeBundles,
    definition,
    feature_log,
    label_message,
    prediction_message,
)
from tests.unit.shared.feature_log.small_log import Log, hours

RANGE = ["--from", "2013-03-01T00:00:00Z", "--to", "2013-03-02T00:00Z", "--as-of", "2013-03-05T00:00Z"]
BINARY = ["--label-kind", "binary"]


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    """A log of three rows and of two labels of other rows."""
    intake = Intake(feature_log(tmp_path / "tables"), FakeBundles({DIGEST: definition()}).get)
    await intake.handle(prediction_message(0))
    await intake.handle(label_message(0))
    await intake.flush()
    return tmp_path


def told(state: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["snapshot", MODEL, "--state", str(state), *options]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


async def test_a_snapshot_is_pinned_and_read_again(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = told(state, capsys, *RANGE, *BINARY, "--labels", "left", "--output", str(state / "rows.parquet"))
    assert (answer["rows"], pq.read_table(state / "rows.parquet").num_rows) == (3, 3)
    assert (answer["pin"]["labels"], answer["pin"]["logged_by"]) == ("left", "2013-03-05T00:00:00Z")
    files = [table_path(state / "tables", MODEL, "predictions") / file for file in answer["files"]["predictions"]]
    assert [file.is_file() for file in files] == [True]
    (state / "told.json").write_text(json.dumps(answer))
    assert told(state, capsys, "--again", str(state / "told.json")) == answer
    files[0].unlink()
    assert main(["snapshot", MODEL, "--state", str(state), "--again", str(state / "told.json")]) == 1
    said = capsys.readouterr().err
    assert f"data files of the pinned version are gone: predictions/{answer['files']['predictions'][0]}" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "option",
    [["--from", "x"], ["--to", ""], ["--as-of", "x"], ["--labels", "left"], ["--label-kind", "binary"], ["--replayed"]],
)
async def test_what_a_pinned_snapshot_says_itself_is_refused(
    state: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    (state / "told.json").write_text(json.dumps(told(state, capsys, *RANGE, *BINARY)))
    with pytest.raises(SystemExit) as ended:
        main(["snapshot", MODEL, "--state", str(state), "--again", str(state / "told.json"), *option])
    assert (ended.value.code, f"{option[0]} can't go with --again" in capsys.readouterr().err) == (2, True)


async def test_what_was_logged_after_as_of_is_left_out_unless_events_were_replayed(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early = [*RANGE[:-1], "2013-03-01T12:00Z", *BINARY, "--labels", "left"]
    assert told(state, capsys, *early)["rows"] == 0
    assert told(state, capsys, *early, "--replayed")["rows"] == 3


def test_where_no_definition_is_at_hand_the_kind_of_labels_must_be_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log(tmp_path / "tables")
    for number, (hour, value) in enumerate([(1, 1.0), (5, 7.0), (5, 1.0)]):
        log.predict(number, hours(3))
        log.label(number, hours(hour), value)
    assert main(["snapshot", MODEL, "--state", str(tmp_path), *RANGE]) == 1
    assert "--label-kind: binary or regression is needed: no definition" in capsys.readouterr().err
    rows = [told(tmp_path, capsys, *RANGE, "--label-kind", kind)["rows"] for kind in ("binary", "regression")]
    assert rows == [1, 2]


def test_a_kind_that_the_definition_contradicts_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "newest_definition", lambda *_: definition())
    Log(tmp_path / "tables").predict(1, hours(3))
    assert told(tmp_path, capsys, *RANGE)["pin"]["label_kind"] == "binary"
    assert main(["snapshot", MODEL, "--state", str(tmp_path), *RANGE, "--label-kind", "regression"]) == 1
    assert f"--label-kind: the definition of {MODEL} says binary" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([*RANGE[:-1], "yesterday"], "--as-of: a time as RFC 3339"),
        (RANGE[2:], "--from: a time as RFC 3339"),
        ([*RANGE[:-1], "2013-03-05"], "--as-of: must have a time zone"),
        ([*RANGE[:-1], "0001-01-01T00:00:00+10:00"], "--as-of: must lie in the years"),
        (RANGE, "model: the log has no tables of"),
        (["--again", "{}"], "--again: "),
        (["--again", '{"pin": {"rows": -1}}'], "--again: start: Field required"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    if options[0] == "--again":
        (tmp_path / "told.json").write_text(options[1])
        options = ["--again", str(tmp_path / "told.json")]
    assert main(["snapshot", MODEL, "--state", str(tmp_path), *options]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
