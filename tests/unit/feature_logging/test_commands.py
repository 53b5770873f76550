"""The commands, on real tables."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from services.feature_logging.__main__ import main
from services.feature_logging.stream.intake import Intake
from tests.unit.feature_logging.samples import (
    DEFINITION,
    MODEL,
    FakeBundles,
    feature_log,
    place,
)
from tests.unit.feature_logging.test_api import fill
from tests.unit.feature_logging.test_history import history


async def test_the_command_says_whether_the_log_is_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await fill(tmp_path)
    assert main(["completeness", "--state", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True
    for file in (tmp_path / "tables" / "_rejected").rglob("*.json"):
        file.unlink()
    assert main(["completeness", "--state", str(tmp_path)]) == 1
    assert json.loads(capsys.readouterr().out)["partitions"][0]["gaps"] == [{"first": 1, "last": 1}]


async def test_verify_says_what_is_there_and_what_was_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(tmp_path)
    await Intake(feature_log(tmp_path / "tables"), FakeBundles({}).get).assigned(
        {("driftline.predictions", 0): 0}, {("driftline.predictions", 0): 3}
    )
    command = ["verify", "--state", str(tmp_path), "--json", str(tmp_path / "found.json")]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "producer p: messages 0 to 1, 6 rows\n" in said
    assert "1 links recomputed: complete, as it was logged\n" in said
    head = json.loads((tmp_path / "found.json").read_text())["report"]["partitions"][0]["head"]
    DeltaTable(place(tmp_path / "tables").path).update(updates={"wind": "1.5"}, predicate="source_offset = 2")
    assert main([*command, "--head", head, "--head", "0" * 64]) == 1
    said = capsys.readouterr().out
    where = "BROKEN driftline.predictions/0, hour 2013-03-02 00:00Z, offsets 0 to 2"
    assert f"{where}: flights/predictions: the values of its 6 rows are not those that were logged\n" in said
    assert f"BROKEN no link has the hash {'0' * 64}" in said
    assert head not in said.split("BROKEN", 1)[1]


async def test_verify_goes_on_without_lost_files_and_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.feature_logging.commands.verify._PAUSE", 0)
    await fill(tmp_path)
    await Intake(feature_log(tmp_path / "tables"), FakeBundles({}).get).assigned(
        {("driftline.predictions", 0): 0}, {("driftline.predictions", 0): 3}
    )
    for name, said in (
        ("flights/predictions", "offsets 0 to 2: flights/predictions: 0 rows, 6 were logged; no table has offsets"),
        ("_proof", "0 links recomputed"),
    ):
        table = DeltaTable(tmp_path / "tables" / name)
        lost = [Path(uri) for uri in table.file_uris()]
        for path in lost:
            path.unlink()
        assert main(["verify", "--state", str(tmp_path)]) == 1
        printed = capsys.readouterr()
        assert printed.err == ""
        for path in lost:
            where = path.relative_to(tmp_path / "tables" / name)
            assert f"BROKEN {name}: data file {where} is gone\n" in printed.out
        assert said in printed.out
        assert "_rejected:" not in printed.out
        assert "links recomputed: NOT COMPLETE\n" in printed.out


def test_history_is_imported_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.toml").write_text(DEFINITION.format(origin_kind="categorical", more=""))
    pq.write_table(history(), tmp_path / "history.parquet")
    command = ["import", "--definition", str(tmp_path / "model.toml"), "--file", str(tmp_path / "history.parquet")]
    command += ["--state", str(tmp_path), "--model"]
    assert main([*command, MODEL]) == 0
    assert json.loads(capsys.readouterr().out) == {"model": MODEL, "rows": 3, "added": True, "version": 1}
    assert len(DeltaTable(place(tmp_path / "tables").path.with_name("history")).to_pyarrow_table()) == 3
    assert main([*command, "wine"]) == 1
    assert "model: " in capsys.readouterr().err


def test_a_wrong_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DRIFTLINE_COMMIT_ROWS", "0")
    assert main(["completeness"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("feature_logging: setting commit_rows: ")
    assert error.count("\n") == 1
