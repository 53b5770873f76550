"""What is counted of data files: they never change, so each is counted once and then remembered."""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

import pyarrow.dataset as ds

T = TypeVar("T")
MOST_FILES = 10_000  # a month of 200 live files a table, for fifty models


class Counted(Generic[T]):
    """`count` is asked for each file that is not remembered; of too many all are forgotten."""

    def __init__(self, count: Callable[[ds.Fragment], T]) -> None:
        self._count = count
        self._known: dict[str, T] = {}

    def of(self, files: Iterable[ds.Fragment]) -> Iterator[T]:
        """What is counted of each."""
        for file in files:
            if file.path not in self._known:
                if len(self._known) >= MOST_FILES:
                    self._known.clear()
                self._known[file.path] = self._count(file)
            yield self._known[file.path]
