"""NannyML's univariate drift with its defaults: Jensen-Shannon distance, alert above mean + 3 sd of the reference.

A chunk is a window, so many rows or a day. The threshold comes from the reference cut into chunks of the same kind.
"""

from collections.abc import Iterator

import pandas as pd
from block import Block
from nannyml import UnivariateDriftCalculator, __version__

AT_ONCE = 50  # windows


class Univariate:
    """Its alerts."""

    version = __version__

    def __init__(self, reference: Block, first: Block, _features: int) -> None:
        chunk = {"chunk_size": len(first.codes)}
        if first.days is not None:
            chunk = {"chunk_period": "D", "timestamp_column_name": "day"}
        self._calculator = UnivariateDriftCalculator(column_names=reference.names, **chunk).fit(_frame(reference))

    def watch(self, windows: list[Block]) -> Iterator[list[int]]:
        """The flagged columns of each window; many windows are given together."""
        for first in range(0, len(windows), AT_ONCE):
            yield from self._alerts(windows[first : first + AT_ONCE])

    def _alerts(self, windows: list[Block]) -> Iterator[list[int]]:
        names = windows[0].names
        rows = pd.concat([_frame(window) for window in windows], ignore_index=True)
        found = self._calculator.calculate(rows).filter(period="analysis").to_df()
        assert len(found) == len(windows)
        for number in range(len(windows)):
            alerts = [bool(found[(name, "jensen_shannon", "alert")].iloc[number]) for name in names]
            yield [place for place, alert in enumerate(alerts) if alert]


def _frame(block: Block) -> pd.DataFrame:
    return block.frame() if block.days is None else block.frame().assign(day=block.days.astype("datetime64[ns]"))
