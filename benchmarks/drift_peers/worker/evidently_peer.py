"""Evidently with the defaults of its DataDriftPreset: a test for each column.

The preset draws a report, which takes ten times what its tests take. So the tests are called as it calls them, and of
the first window the whole report is made: it must name the same columns.
"""

import time
from collections.abc import Iterator

import pandas as pd
from block import Block
from evidently import DataDefinition, Dataset, Report, __version__
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset


class Columns:
    """Evidently's word on each column."""

    version = __version__

    def __init__(self, reference: Block, first: Block, _features: int) -> None:
        self._reference = reference.frame()
        self._known = {name: column.dropna() for name, column in self._reference.items()}
        self._definition = DataDefinition(
            numerical_columns=reference.numeric_names, categorical_columns=reference.code_names
        )
        self.seconds = self._check(first)  # of the whole report on one window

    def watch(self, windows: list[Block]) -> Iterator[list[int]]:
        """The flagged columns of each window."""
        for window in windows:
            frame = window.frame()
            yield [place for place, name in enumerate(window.names) if self._drifted(frame[name].dropna())]

    def _drifted(self, now: pd.Series) -> bool:
        kind = ColumnType.Numerical if now.name.startswith("n") else ColumnType.Categorical
        before = self._known[now.name]
        return bool(get_stattest(before, now, kind, None)(before, now, kind, None).drifted)

    def _check(self, window: Block) -> float:
        began = time.process_time()
        sets = [Dataset.from_pandas(frame, self._definition) for frame in (window.frame(), self._reference)]
        report = Report([DataDriftPreset()], include_tests=True).run(*sets).dict()
        seconds = time.process_time() - began
        tests = [test for test in report["tests"] if test["name"].startswith("Value Drift for column ")]
        named = {test["name"].removeprefix("Value Drift for column ") for test in tests if test["status"] == "FAIL"}
        flags = {window.names[place] for place in next(self.watch([window]))}
        assert named == flags, (named, flags)
        return seconds
