"""The detector of one bundle: its references compiled to bets, and sketches of panes to what settles them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from services.drift_detection.domain.detector.budget import Budget
from services.drift_detection.domain.detector.calibration import Sample, threshold
from services.drift_detection.domain.detector.changes import Changes, Comparison, LastPane
from services.drift_detection.domain.detector.detector import Alarm, Detector, Pane, State
from services.drift_detection.domain.detector.group import Group, PaneCounts, When
from services.drift_detection.domain.detector.rule import Rule
from services.drift_detection.domain.detector.streams import independent, level_stream, numeric_stream
from shared.monitoring import Season
from shared.reference import CategoricalProfile, NumericProfile, Reference, Sketch
from shared.reference.bins import FINE
from shared.reference.panes import Int64
from shared.reference.seasons import bucket

Sketches = Mapping[str, Sketch]


@dataclass(frozen=True)
class Memory:
    """All that is remembered from pane to pane."""

    state: State
    last: LastPane


@dataclass(frozen=True)
class Step:
    """What the pane at `start` brought: what is remembered before an alarm's reset and `after` it, its counts, how it
    differed from the last, and the alarm if it was one.
    """

    start: int
    stepped: Memory
    after: Memory
    pane: Pane
    comparison: Comparison
    alarm: Alarm | None


class Bank:
    """Streams of all segments of a bundle: those of numbers first (features, then scores, by segment), then the
    categorical ones. `others` are streams of the same budget that are watched elsewhere.
    """

    def __init__(self, references: Mapping[str, Reference], steps: float, nominal: int, others: int = 0) -> None:
        whole = list(references.values())
        self.segments = tuple(references)
        self.columns = [profile for reference in whole for profile in reference.columns]
        self.categorical = [profile for reference in whole for profile in reference.categorical]
        self.budget = Budget(len(self.columns) + len(self.categorical) + others, steps, nominal)
        self.changes = Changes(whole, self.budget)
        numbers = Group([numeric_stream(profile, self.budget) for profile in self.columns], nominal)
        levels = Group([level_stream(profile, self.budget) for profile in self.categorical], nominal)
        self._whole = whole[0]
        self.detector = Detector([numbers, levels], Rule(self.budget))
        self._widths = [(len(reference.columns), len(reference.categorical)) for reference in whole]
        self._no_rows = [reference.empty_sketch() for reference in whole]
        self._season: Season = whole[0].season
        self._zone = whole[0].time_zone
        self._coarse = _coarse_cells(self.columns, numbers.width)

    def calibrated(self) -> Self:
        """In mode C where every φ is 1, after a simulation of a second or two; else as it is, in mode G.

        Segments have fewer rows than the whole, so wider margins: the whole's threshold is enough for them.
        """
        profiles: list[NumericProfile | CategoricalProfile] = [*self.columns, *self.categorical]
        if all(independent(profile, self.budget) for profile in profiles):
            columns: list[NumericProfile | CategoricalProfile] = [*self._whole.numeric, *self._whole.categorical]
            missing = float(np.mean([one.missing / max(one.rows + one.missing, 1) for one in columns]))
            ln_h = threshold(Sample(self.budget, self._whole.size, round(missing, 4)))
            self.detector = Detector(self.detector.groups, Rule(self.budget, ln_h))
        return self

    def segment_of(self, kind: int, row: int) -> str:
        """The segment of a stream: number `row` of the numeric ones (kind 0) or of the categorical ones (1)."""
        for segment, widths in zip(self.segments, self._widths, strict=True):
            if row < widths[kind]:
                return segment
            row -= widths[kind]
        raise IndexError(row)

    def start(self) -> Memory:
        """Before the first pane."""
        return Memory(self.detector.start(), LastPane.nothing(len(self.columns), FINE))

    def step(self, memory: Memory, start: int, sketches: Sketches) -> Step:
        """Take in the pane that begins at `start`, by its sketches of the segments that had rows."""
        parts = [sketches.get(segment, none) for segment, none in zip(self.segments, self._no_rows, strict=True)]
        counts = np.concatenate([part.counts for part in parts])
        sums = np.concatenate([part.sums for part in parts])
        comparison = self.changes.compare(start, counts[:, 1:], sums[:, 1:], memory.last)
        pane = (self._numbers(parts, counts, comparison), self._levels(parts))
        stepped, after, alarm = self.detector.step(memory.state, pane, self._when(start))
        last = memory.last.after(start, counts[:, 1:], sums[:, 1:])
        return Step(start, Memory(stepped, last), Memory(after, last), pane, comparison, alarm)

    def _when(self, start: int) -> When:
        return When(start, bucket(start, self._season, self._zone))

    def _numbers(self, parts: Sequence[Sketch], counts: Int64, comparison: Comparison) -> PaneCounts:
        fine = counts[:, 1:]
        width = self.detector.groups[0].width
        bins = np.bincount(self._coarse, weights=fine.reshape(-1), minlength=len(fine) * width)
        outside = np.concatenate([part.outside.sum(axis=0) for part in parts])
        zeros = np.concatenate([part.zeros for part in parts])
        return PaneCounts(
            rows=self._rows(parts, 0),
            bins=bins.astype(np.int64).reshape(len(fine), width),
            events=np.stack([counts[:, 0], zeros, outside], axis=1),
            compared=comparison.compared,
            adjacent=comparison.adjacent,
            jumped=comparison.jumped,
            flat=comparison.flat,
        )

    def _levels(self, parts: Sequence[Sketch]) -> PaneCounts:
        levels = np.concatenate([part.levels for part in parts])[:, : self.detector.groups[1].width + 1]
        none = np.zeros(len(levels), np.bool_)
        nothing = np.zeros(len(levels), np.int64)
        events = np.stack([levels[:, 0], nothing, nothing], axis=1)
        return PaneCounts(self._rows(parts, 1), levels[:, 1:], events, none, none, none, none)

    def _rows(self, parts: Sequence[Sketch], kind: int) -> Int64:
        return np.repeat([part.rows for part in parts], [widths[kind] for widths in self._widths])


def _coarse_cells(columns: Sequence[NumericProfile], width: int) -> Int64:
    """For each column and fine bin the coarse one, numbered through all columns; bins that are not there lie in 0."""
    cells = np.zeros((len(columns), FINE), np.int64)
    for number, profile in enumerate(columns):
        cells[number, : len(profile.coarse)] = profile.coarse
        cells[number] += number * width
    return cells.reshape(-1)
