"""How far a download has come: a bar on a terminal, a few plain lines elsewhere."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

_TITLE = "Fetching Apache Kafka"


class Progress(Protocol):
    """Told by several threads what has arrived."""

    def add_bytes(self, count: int) -> None:
        """So many bytes more."""

    def add_file(self) -> None:
        """One file more is whole, checked and in its place."""


@contextmanager
def show_progress(files: int, say: Callable[[str], None]) -> Iterator[Progress]:
    """A bar on standard error if that is a terminal, else lines by `say`."""
    if sys.stderr.isatty():
        with _bar(files) as bar:
            yield bar
    else:
        yield _Lines(files, say)


class _Lines:
    def __init__(self, files: int, say: Callable[[str], None]) -> None:
        self._files, self._say = files, say
        self._done = self._bytes = 0
        self._lock = threading.Lock()
        say(f"{_TITLE}: {files} files, this once")

    def add_bytes(self, count: int) -> None:
        with self._lock:
            self._bytes += count

    def add_file(self) -> None:
        with self._lock:
            before, self._done = self._done, self._done + 1
            if before * 4 // self._files < self._done * 4 // self._files:  # at each quarter
                self._say(f"{_TITLE}: {self._done} of {self._files} files, {self._bytes / 1e6:.0f} MB")


class _Bar:
    def __init__(self, advance: Callable[[int, int], None]) -> None:
        self._advance = advance
        self._bytes = 0
        self._lock = threading.Lock()

    def add_bytes(self, count: int) -> None:
        with self._lock:
            self._bytes += count
            self._advance(0, self._bytes)

    def add_file(self) -> None:
        with self._lock:
            self._advance(1, self._bytes)


@contextmanager
def _bar(files: int) -> Iterator[_Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    text = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
    size = TextColumn("{task.fields[mb]:.1f} MB")
    with RichProgress(*text, size, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(_TITLE, total=files, mb=0.0)
        yield _Bar(lambda count, total: progress.update(task, advance=count, mb=total / 1e6))
