import hashlib
from pathlib import Path

import pytest

from cli.kafka.jars import cache_folder, ensure_jars, find_wrong, sha256
from cli.kafka.lockfile import Jar
from cli.kafka.progress import show_progress


def jar(name: str, content: bytes) -> Jar:
    return Jar("org.x", name, "1", hashlib.sha256(content).hexdigest())


def test_missing_and_changed_jars_are_found_and_whole_ones_are_not(tmp_path: Path) -> None:
    whole, changed, missing = jar("whole", b"a"), jar("changed", b"b"), jar("missing", b"c")
    (tmp_path / whole.filename).write_bytes(b"a")
    (tmp_path / changed.filename).write_bytes(b"x")
    assert find_wrong([whole, changed, missing], tmp_path) == [changed, missing]


def test_with_all_whole_nothing_is_fetched_nor_said_nor_written(tmp_path: Path) -> None:
    whole = jar("whole", b"a")
    (tmp_path / whole.filename).write_bytes(b"a")
    said: list[str] = []
    assert ensure_jars([whole], tmp_path, said.append) == [tmp_path / whole.filename]
    assert said == []
    assert [path.name for path in tmp_path.iterdir()] == [whole.filename]


def test_what_cannot_be_read_has_no_hash(tmp_path: Path) -> None:
    assert sha256(tmp_path) is None
    assert sha256(tmp_path / "nowhere") is None


def test_the_cache_folder_follows_xdg_unless_that_is_relative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/driftline/jars")
    monkeypatch.setenv("XDG_CACHE_HOME", "somewhere")
    assert cache_folder() == Path.home() / ".cache" / "driftline" / "jars"


@pytest.mark.parametrize(("files", "lines"), [(1, 2), (3, 4), (45, 5)])
def test_without_a_terminal_progress_is_a_few_plain_lines(
    files: int, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    said: list[str] = []
    with show_progress(files, said.append) as progress:
        for _ in range(files):
            progress.add_bytes(1_000_000)
            progress.add_file()
    assert said[0] == f"Fetching Apache Kafka: {files} files, this once"
    assert said[-1] == f"Fetching Apache Kafka: {files} of {files} files, {files} MB"
    assert len(said) == lines
