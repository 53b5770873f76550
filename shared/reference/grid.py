"""The grid that values are put on, so that their sums are whole numbers and the same in any order."""

import numpy as np
from numpy.typing import NDArray

from shared.features import Float32
from shared.reference.panes import Int64

Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]

GRID = 1 << 20
# A code is a place with an offset that makes it positive: 0 is "missing", the least place is LEAST. That is a multiple
# of every width of cells, so that no cell holds both. kernel/count.c has the same numbers.
WIDEST = 12
LEAST = 1 << WIDEST
MOST = LEAST + GRID
MIDDLE = LEAST + GRID // 2
_LEAST_STEP = 1e-37  # its inverse is a float32


class Grid:
    """Puts values of N columns on their grids. Attributes:

    `centre` and `step`, float64 [N]: a value x lies at the whole number nearest to (clip(x) - centre) / step, within
    ±2^19. It is computed in float32, as (x - origin) * scale + offset with `steps`, these three float32 [N]: which of
    two places a value between them takes may differ from exact arithmetic within a quarter of a step, but is the same
    wherever and with whatever the value is computed.
    """

    def __init__(self, low: Float64, high: Float64) -> None:
        self.centre: Float64 = (low + high) / 2
        self.step: Float64 = np.maximum((high - low) / GRID, _LEAST_STEP)
        # Subtracting a centre far from 0 first is exact where it matters; near 0 it can wait for the addition.
        far = np.abs(self.centre) > GRID * self.step
        origin = np.where(far, self.centre, 0).astype(np.float32)
        offset = (origin - self.centre) / self.step + MIDDLE + 0.5
        self.steps: tuple[Float32, Float32, Float32] = (
            origin,
            (1 / self.step).astype(np.float32),
            offset.astype(np.float32),
        )

    def codes(self, values: Float32) -> Int32:
        """Codes int32 [N, n] of values float32 [N, n]: the place + MIDDLE; 0 is missing."""
        origin, scale, offset = (each[:, None] for each in self.steps)
        with np.errstate(over="ignore"):
            found = (values - origin) * scale + offset
        codes: Int32 = np.fmax(np.clip(found, LEAST, MOST), 0).astype(np.int32)
        return codes

    def places(self, values: Float32) -> Int64:
        """Places int64 [N, n] of values float32 [N, n]; 0 for a missing value."""
        codes = self.codes(values)
        return np.where(codes == 0, 0, codes.astype(np.int64) - MIDDLE)
