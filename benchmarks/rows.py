"""What a benchmark with goals says: a line for each case."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


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


def at_least(case: str, value: float, limit: float) -> Row:
    """A value that must not be less."""
    return Row(case, round(value, 3), f"≥ {limit:g}", value >= limit)


def tell(rows: Iterable[Row], file: Path | None) -> list[Row]:
    """Print rows as they come, and write them to a file of JSON, if one is wanted."""
    told: list[Row] = []
    for row in rows:
        print(f"{'met    ' if row.met else 'NOT MET'}  {row.case}: {row.value} (goal: {row.goal})", flush=True)
        told.append(row)
    if file:
        file.write_text(json.dumps({"rows": [asdict(row) for row in told]}, indent=2) + "\n")
    return told


def exit_code(rows: Sequence[Row]) -> int:
    """1 if a goal is not met."""
    return 0 if all(row.met for row in rows) else 1
