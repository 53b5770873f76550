from pathlib import Path

import pytest

from shared.bootstrap import main


def test_an_empty_state_is_not_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFTLINE_STATE", "")
    assert main(["keys"]) == 1
    assert capsys.readouterr().err == "bootstrap: setting state: expected a folder, it is empty\n"
    assert list(tmp_path.iterdir()) == []
