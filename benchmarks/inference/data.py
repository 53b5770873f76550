"""Rows that are predicted for: 20 features, all numbers or two of them strings."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Form = Literal["json", "binary"]

WIDTH = 20
STRINGS = 2  # of the features of the model that has named inputs: the last ones
CATEGORIES = tuple(f"carrier-{number}" for number in range(10))


def rows(count: int, seed: int = 1, width: int = WIDTH) -> NDArray[np.float32]:
    """Feature values float32 [count, width], with four digits as a client's JSON has them."""
    return np.random.default_rng(seed).normal(50, 15, (count, width)).round(4).astype(np.float32)


def texts(count: int, seed: int) -> list[str]:
    """A categorical feature of `count` rows."""
    return [CATEGORIES[code] for code in np.random.default_rng(seed).integers(0, len(CATEGORIES), count)]


def names(strings: int = STRINGS) -> list[tuple[str, bool]]:
    """Each feature's name, and whether it is a string."""
    return [(f"f{number}", number >= WIDTH - strings) for number in range(WIDTH)]
