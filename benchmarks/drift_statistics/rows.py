"""One line of the answer."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A case, what was measured, what was asked for."""

    case: str
    value: float | str
    goal: str
    met: bool


def at_most(case: str, value: float, limit: float) -> Row:
    """A value that must not be greater."""
    return Row(case, round(value, 3), f"≤ {limit:g}", value <= limit)
