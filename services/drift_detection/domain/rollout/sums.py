"""What is kept of one version's rows in one pane: integer sums by metric, which merge exactly in any order."""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from shared.errors import Unreadable
from shared.reference.panes import Int64
from shared.rollout import METRICS, Metric
from shared.subjects import GROUPS

GRID = 1 << 16  # steps of a metric's range; the squares of 2^31 rows fit in 64 bits
_HEADER = struct.Struct("<Bq?")
_VERSION = 1
_SHAPES = {
    "rows": (len(METRICS), GROUPS),
    "sums": (len(METRICS), GROUPS),
    "squares": (len(METRICS),),
    "beside": (len(METRICS),),
}
PLACE = {metric: place for place, metric in enumerate(METRICS)}


@dataclass
class Sums:
    """Sums of M = 5 metrics, int64. `answered` rows, all of them; `errors_known`: whether failures were told of all.

    `rows` and `sums` [M, 64] of what is known, by group of subject, values in steps of the grid; `squares` [M].
    `beside` [M]: of a shadow's differences, the champion's own sum. A failed row is one of `error` only.
    """

    answered: int
    errors_known: bool
    rows: Int64
    sums: Int64
    squares: Int64
    beside: Int64

    @classmethod
    def empty(cls) -> Self:
        """Of no rows."""
        return cls(0, True, *(np.zeros(shape, dtype=np.int64) for shape in _SHAPES.values()))

    def add(self, metric: int, groups: Int64, values: Int64, beside: Int64 | None = None) -> None:
        """Take in values of a metric int64 [n], each of a row of this group of subjects."""
        self.rows[metric] += np.bincount(groups, minlength=GROUPS)
        self.sums[metric] += np.bincount(groups, weights=values, minlength=GROUPS).astype(np.int64)
        self.squares[metric] += int(np.dot(values, values))
        if beside is not None:
            self.beside[metric] += int(beside.sum())

    def add_marked(self, metric: int, rows: Int64, groups: Int64) -> None:
        """Take in `rows` by group, int64 [64], of which those in `groups` have the value 1 and the others 0."""
        self.rows[metric] += rows
        if len(groups):
            self.sums[metric] += GRID * np.bincount(groups, minlength=GROUPS)
            self.squares[metric] += GRID**2 * len(groups)

    def merge(self, other: "Sums") -> None:
        """Take in all that another has."""
        self.answered += other.answered
        self.errors_known = self.errors_known and other.errors_known
        for name in _SHAPES:
            getattr(self, name).__iadd__(getattr(other, name))

    def without(self, metrics: Iterable[Metric]) -> "Sums":
        """The same, but nothing is known of these metrics."""
        kept = Sums.empty()
        kept.merge(self)
        for name in _SHAPES:
            getattr(kept, name)[[PLACE[metric] for metric in metrics]] = 0
        return kept

    @property
    def is_empty(self) -> bool:
        """Whether there is no row, answered or failed."""
        return not self.answered and not self.rows.any()

    def to_bytes(self) -> bytes:
        """Equal sums give equal bytes."""
        flat = b"".join(getattr(self, name).astype("<i8").tobytes() for name in _SHAPES)
        return _HEADER.pack(_VERSION, self.answered, self.errors_known) + zlib.compress(flat, 1)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The reverse of `to_bytes`; raises Unreadable if it is not one."""
        try:
            version, answered, known = _HEADER.unpack_from(content)
            flat = np.frombuffer(zlib.decompress(content[_HEADER.size :]), dtype="<i8").astype(np.int64)
        except (struct.error, zlib.error, ValueError) as error:
            raise Unreadable(f"sums of a version: {error}") from error
        ends = np.cumsum([int(np.prod(shape)) for shape in _SHAPES.values()])
        if version != _VERSION or len(flat) != ends[-1]:
            raise Unreadable("sums of a version: of another version or length")
        parts = zip(np.split(flat, ends[:-1]), _SHAPES.values(), strict=True)
        return cls(answered, known, *(part.reshape(shape) for part, shape in parts))
