"""Where tables lie."""

from pathlib import Path
from typing import cast

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from upath import UPath

from shared.storage import Overwrites, check_exclusive


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
