"""What the benchmark says, and how much of it is run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the answer."""

    case: str
    value: str
    goal: str
    met: bool


@dataclass(frozen=True)
class Size:
    """So many references, and for each so many windows of each number of rows."""

    references: int
    windows: int
    rows: tuple[int, ...]


def share(hits: float, of: float) -> str:
    """In percent."""
    return f"{100 * hits / of:.1f} %"
