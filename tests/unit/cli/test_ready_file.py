import json
from pathlib import Path

import pytest

from cli.errors import UserError
from cli.stack.readyfile import read_ready_file, write_ready_file


def test_what_was_written_is_read_from_the_state_folder_or_where_it_is_told(tmp_path: Path) -> None:
    write_ready_file(tmp_path / "ready.json", {"kafka": "here"})
    write_ready_file(tmp_path / "other" / "file.json", {"kafka": "there"})
    assert read_ready_file(None, tmp_path) == {"kafka": "here"}
    assert read_ready_file(tmp_path / "other" / "file.json", tmp_path) == {"kafka": "there"}


def test_no_file_and_no_json_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`driftline up` writes it"):
        read_ready_file(None, tmp_path)
    (tmp_path / "ready.json").write_text(json.dumps({"kafka": "here"})[:-3])
    with pytest.raises(UserError, match="no JSON"):
        read_ready_file(None, tmp_path)
