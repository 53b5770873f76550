import json
from pathlib import Path

import pytest
import typer

from cli.errors import UserError
from cli.replay import replay
from cli.stack.readyfile import read_ready_file, write_ready_file


def test_what_was_written_is_read_from_the_state_folder_or_where_it_is_told(tmp_path: Path) -> None:
    write_ready_file(tmp_path / "ready.json", {"kafka": "here"})
    write_ready_file(tmp_path / "other" / "file.json", {"kafka": "there"})
    assert read_ready_file(None, tmp_path, "kafka") == "here"
    assert read_ready_file(tmp_path / "other" / "file.json", tmp_path, "kafka") == "there"


def test_no_file_and_no_json_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`driftline up` writes it"):
        read_ready_file(None, tmp_path, "kafka")
    with pytest.raises(UserError, match=f"directory: {tmp_path}"):
        read_ready_file(tmp_path, tmp_path, "kafka")
    (tmp_path / "ready.json").write_text(json.dumps({"kafka": "here"})[:-3])
    with pytest.raises(UserError, match="no JSON"):
        read_ready_file(None, tmp_path, "kafka")


@pytest.mark.parametrize("content", ["{}", "[]", "7", '{"services": []}', '{"services": {"drift_detection": 7}}'])
def test_a_file_without_the_address_is_said_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "ready.json").write_text(content)
    with pytest.raises(UserError, match=r"ready\.json: no address of drift_detection in it"):
        read_ready_file(None, tmp_path, "services", "drift_detection")


def test_a_replay_that_finds_no_broker_does_not_end_as_if_windows_differed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ready.json").write_text("{}")
    with pytest.raises(typer.Exit) as ended:
        replay("pumps", "2026-03-01T00:00Z", "2026-03-02T00:00Z", state=tmp_path)
    assert ended.value.exit_code == 2
    assert "no address of kafka" in capsys.readouterr().err
