from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.bootstrap import main
from shared.settings import ServiceSettings
from shared.storage import local


def test_an_empty_state_is_not_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFTLINE_STATE", "")
    assert main(["keys"]) == 1
    assert capsys.readouterr().err == "bootstrap: setting state: expected a folder, it is empty\n"
    assert list(tmp_path.iterdir()) == []


def test_tables_lie_below_the_state_or_where_they_are_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for told, where in (("", tmp_path / "tables"), ("/data/log", Path("/data/log"))):
        monkeypatch.setenv("DRIFTLINE_TABLES", told)
        assert ServiceSettings(state=tmp_path).tables == where
    monkeypatch.setenv("DRIFTLINE_TABLES", "s3://log/of/all/")
    tables = ServiceSettings(state=tmp_path).tables
    assert (str(tables / "a"), local(tables)) == ("s3://log/of/all/a", False)


@pytest.mark.parametrize("place", ["s3:/log/a", "s3://", "gs://log/a", "https://example.org/log", "S3://log"])
def test_a_store_that_is_misspelt_is_refused(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_TABLES", place)
    with pytest.raises(ValidationError, match=r"DRIFTLINE_TABLES\n.*expected a folder, or s3://bucket/prefix"):
        ServiceSettings()


def test_a_broker_that_is_no_host_and_port_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "127.0.0.1:99999")
    assert main(["topics"]) == 1
    assert capsys.readouterr().err == "bootstrap: setting KAFKA_BOOTSTRAP: '127.0.0.1:99999' is not host:port\n"
