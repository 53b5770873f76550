"""Lines of the answer."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One of them."""

    case: str
    value: str
    goal: str
    met: bool
