"""How far scoring has come: a bar on a terminal, a line every ten seconds elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_WIDTH = 30
_EVERY = {True: 0.1, False: 10.0}  # seconds, on a terminal and elsewhere


class Bar:
    """Writes to `out`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._total: int | None = None
        self._rows = self._new = 0
        self._began = self._told = time.monotonic()

    def begin(self, rows: int | None) -> None:
        """There are so many rows, if anybody knows."""
        self._total = rows

    def add(self, rows: int, *, known: bool) -> None:
        """So many more; `known`: they were there already."""
        self._rows += rows
        self._new += 0 if known else rows
        if time.monotonic() - self._told >= _EVERY[self._is_terminal]:
            self._show("" if self._is_terminal else "\n")

    def end(self) -> None:
        """The last state stays."""
        if self._is_terminal and self._rows:
            self._show("\n")

    def _show(self, end: str) -> None:
        self._told = time.monotonic()
        speed = self._new / max(self._told - self._began, 1e-3)
        text = f"{self._rows:,} rows, {speed:,.0f}/s"
        if self._total:
            share = min(self._rows / self._total, 1)
            bar = ("█" * round(share * _WIDTH)).ljust(_WIDTH, "░") if self._is_terminal else ""
            text = f"{bar} {share:4.0%} of {self._total:,} rows, {speed:,.0f}/s".strip()
        self._out.write(("\r\x1b[K" if self._is_terminal else "") + text + end)
        self._out.flush()


@contextmanager
def shown(out: TextIO) -> Iterator[Bar]:
    """A bar until the end of the block."""
    bar = Bar(out)
    try:
        yield bar
    finally:
        bar.end()
