"""The rows of a job, as the worker's peers take them."""

from typing import NamedTuple

import numpy as np
import pandas as pd


class Block(NamedTuple):
    """Rows: `numeric` float32 [n, F], NaN where missing; `codes` int32 [n, C], negative where missing.

    `days` datetime64[D] [n], where windows are days.
    """

    numeric: np.ndarray
    codes: np.ndarray
    days: np.ndarray | None = None

    @property
    def numeric_names(self) -> list[str]:
        """Names of the columns with numbers, in their order."""
        return [f"n{place}" for place in range(self.numeric.shape[1])]

    @property
    def code_names(self) -> list[str]:
        """Names of the columns with categories, in their order."""
        return [f"c{place}" for place in range(self.codes.shape[1])]

    @property
    def names(self) -> list[str]:
        """All names; the index of a feature is its place here."""
        return self.numeric_names + self.code_names

    def frame(self) -> pd.DataFrame:
        """As a table; categories are words, missing is None."""
        columns = {name: self.numeric[:, place] for place, name in enumerate(self.numeric_names)}
        for place, name in enumerate(self.code_names):
            codes = self.codes[:, place]
            words = np.array([f"v{code}" for code in range(codes.max(initial=0) + 1)] + [None], dtype=object)
            columns[name] = words[np.where(codes < 0, -1, codes)]
        return pd.DataFrame(columns)

    def rows(self) -> np.ndarray:
        """As one float32 array [n, F + C], of complete rows only."""
        together = np.concatenate([self.numeric, self.codes.astype(np.float32)], axis=1)
        return together[~np.isnan(together).any(axis=1) & (self.codes >= 0).all(axis=1)]
