"""Where tables lie."""

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from upath import UPath

from shared.storage import Overwrites, check_exclusive, write_once


def anyhow(store: MemoryFileSystem, path: str, value: bytes, mode: str) -> None:
    """What a store does that knows no If-None-Match."""
    assert mode == "create"
    store.open(path, "wb", data=value)


def test_a_store_that_overwrites_is_refused_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", anyhow)
    with pytest.raises(Overwrites, match="If-None-Match"):
        check_exclusive(cast(Path, UPath("memory://log/tables")))
    assert not MemoryFileSystem.store


def test_of_a_store_that_does_not_and_of_a_folder_nothing_is_left(tmp_path: Path) -> None:
    check_exclusive(cast(Path, UPath("memory://log/tables")))
    check_exclusive(tmp_path)
    assert not MemoryFileSystem.store
    assert not list(tmp_path.iterdir())


def test_a_store_that_fails_just_then_has_proved_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    proper = MemoryFileSystem.pipe_file

    def at_first(store: MemoryFileSystem, path: str, value: bytes, mode: str) -> None:
        if value == b"second":
            raise OSError(5, "no answer")
        proper(store, path, value, mode)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", at_first)
    with pytest.raises(OSError, match="no answer"):
        check_exclusive(cast(Path, UPath("memory://log/tables")))
    assert not MemoryFileSystem.store


def test_a_store_that_takes_no_new_object_has_proved_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL, "no such header is known")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", never)
    with pytest.raises(OSError, match="no new object"):
        check_exclusive(cast(Path, UPath("memory://log/tables")))


@pytest.mark.parametrize("stored", [False, True])
def test_of_many_that_write_a_file_once_all_read_what_the_first_wrote(tmp_path: Path, stored: bool) -> None:
    folder = cast(Path, UPath("memory://log/once")) if stored else tmp_path
    with ThreadPoolExecutor(8) as writers:
        read = set(writers.map(lambda number: write_once(folder / "file", str(number)), range(40)))
    assert read == {(folder / "file").read_text()}
    assert [each.name for each in folder.iterdir()] == ["file"]
    (folder / "file").unlink()
