"""How many windows each detector sees: as many as it gets through in the time."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.drift_peers.job import NAMES


@dataclass(frozen=True)
class Size:
    """Rows of a window and of the reference."""

    rows: int
    reference: int

    def __str__(self) -> str:
        return f"n={self.rows}, R={self.reference}"


@dataclass(frozen=True)
class Plan:
    """`calm` windows without a fault at each of `sizes`; `runs` of each fault, at the first, of `patience` windows.

    `slow` says who sees fewer: of the calm windows, and of each run.
    """

    sizes: tuple[Size, ...]
    calm: int
    runs: int
    patience: int
    slow: Mapping[str, tuple[int, int]]

    def calm_of(self, name: str) -> int:
        """The windows without a fault that this one sees."""
        return min(self.calm, self.slow[name][0]) if name in self.slow else self.calm

    def patience_of(self, name: str) -> int:
        """The windows of a run that this one sees."""
        return min(self.patience, self.slow[name][1]) if name in self.slow else self.patience

    def calm_of_peers(self) -> dict[str, int]:
        """By name."""
        return {name: self.calm_of(name) for name in NAMES}

    def patience_of_peers(self) -> dict[str, int]:
        """By name."""
        return {name: self.patience_of(name) for name in NAMES}


QUICK = Plan(
    (Size(1_000, 50_000), Size(1_000, 1_000)),
    calm=50,
    runs=2,
    patience=100,
    slow={
        "Evidently": (20, 20),
        "alibi-detect": (10, 20),
        "whylogs": (10, 20),
        "river ADWIN": (10, 100),
        "river Page-Hinkley": (10, 100),
    },
)
FULL = Plan(
    (Size(1_000, 100_000), Size(1_000, 10_000), Size(200, 100_000), Size(1_000, 1_000)),
    calm=1_000,
    runs=20,
    patience=200,
    slow={
        "Evidently": (150, 200),
        "alibi-detect": (150, 200),
        "whylogs": (200, 200),
        "river ADWIN": (300, 200),
        "river Page-Hinkley": (300, 200),
    },
)
