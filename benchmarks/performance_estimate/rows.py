"""How much of the benchmark is run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """So many references, and for each so many windows of each number of rows."""

    references: int
    windows: int
    rows: tuple[int, ...]


def share(hits: float, of: float) -> str:
    """In percent."""
    return f"{100 * hits / of:.1f} %"
