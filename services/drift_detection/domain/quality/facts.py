"""What is counted of a window beside its sketch: the definition's limits, the way to the log, what did not fit."""

import struct
import zlib
from dataclasses import dataclass
from typing import Self, get_args

import numpy as np

from shared.errors import Unreadable
from shared.events.quality import MisfitReason
from shared.features import Float32
from shared.limits import Limits
from shared.reference.panes import Int64

# Upper bounds of the classes of lag, in microseconds: two to an octave, from a millisecond to 12 years.
LAG_BOUNDS: Int64 = np.rint(1_000 * 2 ** (np.arange(78) / 2)).astype(np.int64)
REASONS: tuple[MisfitReason, ...] = get_args(MisfitReason)
_HEADER = struct.Struct("<BIq")
_VERSION = 1
_NONE = -(2**62)


@dataclass
class Facts:
    """Sums over the rows of a window, in any order: int64 `outside` [2, N], `lags` [79] and `misfits` [3].

    `outside` counts values below and above the definition's limits, `lags` rows by the time from event to log, of
    which `greatest` is the longest, in microseconds; `misfits` rows that did not fit the bundle, by `REASONS`.
    """

    outside: Int64
    lags: Int64
    misfits: Int64
    greatest: int = _NONE

    @classmethod
    def empty(cls, numeric: int) -> Self:
        """Of no rows, for so many numeric features."""
        outside, lags, misfits = (np.zeros(shape, dtype=np.int64) for shape in _shapes(numeric))
        return cls(outside, lags, misfits)

    def add(self, numeric: Float32, lags: Int64, limits: Limits) -> None:
        """Take in n rows: values float32 [n, N] and LogAppendTime minus event time int64 [n], in microseconds."""
        columns = limits.columns
        limited = numeric[:, columns]
        for number, beyond in enumerate((limited < limits.low[columns], limited > limits.high[columns])):
            if beyond.any():  # which is rare, and much quicker to ask
                self.outside[number, columns] += beyond.sum(axis=0)
        if len(lags):
            self.lags += np.bincount(np.searchsorted(LAG_BOUNDS, lags), minlength=len(self.lags))
            self.greatest = max(self.greatest, int(lags.max()))

    def add_misfit(self, reason: str, rows: int) -> None:
        """Note rows that did not fit."""
        self.misfits[REASONS.index(reason)] += rows

    def merge(self, other: "Facts") -> None:
        """Take in all rows of others."""
        self.outside += other.outside
        self.lags += other.lags
        self.misfits += other.misfits
        self.greatest = max(self.greatest, other.greatest)

    def to_bytes(self) -> bytes:
        """Equal facts give equal bytes."""
        header = _HEADER.pack(_VERSION, self.outside.shape[1], self.greatest)
        parts = (self.outside, self.lags, self.misfits)
        return header + zlib.compress(b"".join(part.astype("<i8").tobytes() for part in parts), 1)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The reverse of `to_bytes`; raises Unreadable if it is not one."""
        try:
            version, numeric, greatest = _HEADER.unpack_from(content)
            flat = np.frombuffer(zlib.decompress(content[_HEADER.size :]), dtype="<i8").astype(np.int64)
            shapes = _shapes(numeric)
            ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
            if version != _VERSION or len(flat) != ends[-1]:
                raise Unreadable("facts: of another version, or their length does not fit their number of columns")
            outside, lags, misfits = np.split(flat, ends[:-1])
            return cls(outside.reshape(shapes[0]), lags, misfits, greatest)
        except (struct.error, zlib.error, ValueError) as error:
            raise Unreadable(f"facts: {error}") from error


def _shapes(numeric: int) -> list[tuple[int, ...]]:
    return [(2, numeric), (len(LAG_BOUNDS) + 1,), (len(REASONS),)]
