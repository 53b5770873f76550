import pytest

from services.governance.__main__ import main


def test_a_setting_that_is_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_STATE", "")
    assert main([]) == 1
    assert capsys.readouterr().err == "governance: setting state: expected a folder, it is empty\n"
