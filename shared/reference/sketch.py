"""The sketch of a window: counts and integer sums, so that it merges exactly, in any order."""

import math
import struct
import zlib
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.errors import Unreadable
from shared.features import Float32, Rows
from shared.reference.bins import LEVEL_WIDTH, NUMERIC_WIDTH
from shared.reference.measure import Measure
from shared.reference.panes import Int64

Float64 = NDArray[np.float64]

_VERSION = 2  # of 1 the numbers stood one after the other
_HEADER = struct.Struct("<BIIQ")
_WORD = 32
_BYTES = 8


@dataclass(frozen=True)
class SketchResult:
    """What a sketch says, in the features' units; N numeric columns (features, then scores), C categorical ones.

    `rows` of the window. `present`, `missing`, `below`, `above`, `zeros` int64 [N]; `counts` int64 [N, 60];
    `bin_means` float64 [N, 60] of clipped values, NaN in an empty bin; `mean` and `variance` (divided by n) float64
    [N] of clipped values, NaN without any. `levels` int64 [C, 51], `level_missing` and `unseen` int64 [C].
    """

    rows: int
    present: Int64
    missing: Int64
    below: Int64
    above: Int64
    zeros: Int64
    counts: Int64
    bin_means: Float64
    mean: Float64
    variance: Float64
    levels: Int64
    level_missing: Int64
    unseen: Int64


def _ratio(above: Int64 | Float64, below: Int64) -> Float64:
    ratio: Float64 = np.full(below.shape, np.nan)
    return np.divide(above, below, out=ratio, where=below > 0)


@dataclass
class Sketch:
    """Sums over rows. All arrays are int64; a row's numeric value counts as its place on the measure's grid.

    `counts`, `sums` [N, 61]: index 0 counts the missing. `squares` [2, N]: high and low 32-bit words of the sum of
    squares, which outgrows 64 bits. `outside` [2, N]: below and above the reference's range. `levels` [C, 52].
    """

    rows: int
    counts: Int64
    sums: Int64
    squares: Int64
    outside: Int64
    zeros: Int64
    levels: Int64
    unseen: Int64

    @classmethod
    def empty(cls, numeric: int, categorical: int) -> Self:
        """The sketch of no rows, for so many columns."""
        shapes = _shapes(numeric, categorical)
        return cls(0, *(np.zeros(shape, dtype=np.int64) for shape in shapes))

    def add(self, rows: Rows, scores: Float32, measure: Measure) -> None:
        """Take in n rows with their scores float32 [n, k]."""
        measure.count([rows.numeric, scores], self)
        if len(self.levels):
            levels, unseen = measure.count_levels(rows.categorical)
            self.levels += levels
            self.unseen += unseen
        self.rows += len(rows)

    def merge(self, other: "Sketch") -> None:
        """Take in all rows of another sketch on the same measure."""
        self.rows += other.rows
        for name in ("counts", "sums", "outside", "zeros", "levels", "unseen"):
            getattr(self, name).__iadd__(getattr(other, name))
        self.squares[0] += other.squares[0]
        _add_wide(self.squares, other.squares[1])

    def result(self, measure: Measure) -> SketchResult:
        """The window in the features' units."""
        present = self.counts[:, 1:].sum(axis=1)
        mean = _ratio(self.sums.sum(axis=1), present)
        squares = np.array(self.total_squares(), dtype=np.float64)
        step = measure.step
        return SketchResult(
            rows=self.rows,
            present=present,
            missing=self.counts[:, 0],
            below=self.outside[0],
            above=self.outside[1],
            zeros=self.zeros,
            counts=self.counts[:, 1:],
            bin_means=measure.centre[:, None] + step[:, None] * _ratio(self.sums[:, 1:], self.counts[:, 1:]),
            mean=measure.centre + step * mean,
            variance=step**2 * np.maximum(_ratio(squares, present) - mean**2, 0),
            levels=self.levels[:, 1:],
            level_missing=self.levels[:, 0],
            unseen=self.unseen,
        )

    def total_squares(self) -> list[int]:
        """The sums of squares of the places on the grid, exact, per numeric column."""
        return [(high << _WORD) + low for high, low in self.squares.T.tolist()]

    def to_bytes(self) -> bytes:
        """A few bytes per occupied bin; equal sketches give equal bytes.

        First the lowest byte of each number, then the next one of each: most are zeros, which compress at once.
        """
        flat = np.frombuffer(self.content(), dtype=np.uint8)[_HEADER.size :]
        return self._header() + zlib.compress(flat.reshape(-1, _BYTES).T.tobytes(), 1)

    def content(self) -> bytes:
        """All numbers as they are: equal for equal sketches, and ten times as quick as `to_bytes`."""
        return b"".join((self._header(), *(array.astype("<i8", copy=False).tobytes() for array in self._arrays())))

    def _header(self) -> bytes:
        return _HEADER.pack(_VERSION, len(self.counts), len(self.levels), self.rows)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The reverse of `to_bytes`; raises Unreadable if it is not one."""
        try:
            version, numeric, categorical, rows = _HEADER.unpack_from(content)
            if version not in (1, _VERSION):
                raise Unreadable(f"sketch: version {version}, expected {_VERSION}")
            body = np.frombuffer(zlib.decompress(content[_HEADER.size :]), dtype=np.uint8)
            numbers = body.reshape((_BYTES, -1) if version == _VERSION else (-1, _BYTES))
            flat = np.ascontiguousarray(numbers.T if version == _VERSION else numbers).view("<i8").astype(np.int64)
            return cls(rows, *_split(flat.reshape(-1), _shapes(numeric, categorical)))
        except (struct.error, zlib.error, ValueError) as error:
            raise Unreadable(f"sketch: {error}") from error

    def _arrays(self) -> list[Int64]:
        return [getattr(self, field.name) for field in fields(self)[1:]]


def _shapes(numeric: int, categorical: int) -> list[tuple[int, ...]]:
    binned = (numeric, NUMERIC_WIDTH)
    pair = (2, numeric)
    return [binned, binned, pair, pair, (numeric,), (categorical, LEVEL_WIDTH), (categorical,)]


def _split(flat: Int64, shapes: list[tuple[int, ...]]) -> list[Int64]:
    """Arrays of these shapes that stand one after the other."""
    sizes = [math.prod(shape) for shape in shapes]
    if len(flat) != sum(sizes):
        raise Unreadable("sketch: its length does not fit its number of columns")
    parts, begin = [], 0
    for shape, size in zip(shapes, sizes, strict=True):
        parts.append(flat[begin : begin + size].reshape(shape))
        begin += size
    return parts


def _add_wide(words: Int64, amount: Int64) -> None:
    """Add to sums kept in two words: their form stays canonical, so equal sums have equal bytes."""
    low = words[1] + amount
    words[0] += low >> _WORD
    words[1] = low & ((1 << _WORD) - 1)
