"""What the labels that came for a window's rows add up to: sums only, no row is kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.drift_detection.domain.performance.estimate import ScoreBins
from services.drift_detection.domain.performance.lags import LagTable, lag_bins, merge_into
from services.drift_detection.domain.performance.moments import MOST, STEPS, Moments, to_steps
from services.drift_detection.domain.performance.version_losses import VersionLosses
from services.drift_detection.domain.rollout.rows import COMPARED, Ranges, loss_range
from shared.outcomes import OutcomeBatch
from shared.reference import Reference
from shared.reference.bins import FINE, bins_of
from shared.reference.calibration import Calibration
from shared.reference.losses import losses, signals
from shared.reference.panes import Int64, microseconds
from shared.subjects import groups

Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

BUSINESS_SCALE = np.array([STEPS / 1e3])  # a step is a thousandth of the business outcome's unit


@dataclass
class WindowOutcomes:
    """A window's labels: their losses by lag, and by fine bin of the score their rows, scores and signals.

    `labels` holds the moments of the calibration's losses, `business` those of the business outcomes; a correction is
    one more entry at its own lag, of no rows, that adds the new and takes back the old. `places`: sums of the scores'
    places on the grid; `signals`: of `losses.signals` in steps of the bound. `losses` are what versions are compared
    by. `corrections` replaced a label; `unfit` were no value of the label's kind or came before their prediction;
    `capped` count as 2^40 steps.
    """

    labels: LagTable = field(default_factory=dict)
    business: LagTable = field(default_factory=dict)
    counts: Int64 = field(default_factory=lambda: np.zeros(FINE, np.int64))
    places: Int64 = field(default_factory=lambda: np.zeros(FINE, np.int64))
    signals: Int64 = field(default_factory=lambda: np.zeros(FINE, np.int64))
    losses: VersionLosses = field(default_factory=VersionLosses)
    corrections: int = 0
    unfit: int = 0
    capped: int = 0

    def merge(self, other: "WindowOutcomes") -> None:
        """Take in the labels of another part of the same window."""
        merge_into(self.labels, other.labels)
        merge_into(self.business, other.business)
        for name in ("counts", "places", "signals"):
            getattr(self, name).__iadd__(getattr(other, name))
        self.losses.merge(other.losses)
        self.corrections += other.corrections
        self.unfit += other.unfit
        self.capped += other.capped

    @property
    def bins(self) -> ScoreBins:
        """The labelled rows by their score."""
        return ScoreBins(self.counts, self.places)


@dataclass(frozen=True)
class Scorer:
    """Turns labels into sums, for one reference with a calibration."""

    reference: Reference
    calibration: Calibration

    @cached_property
    def scale(self) -> Float64:
        """Of each loss, float64 [3]: the reference's mean where the loss is in the label's unit, else 1."""
        own = self.calibration.kind == "regression"
        scales = [curve.overall if own and curve.overall > 0 else 1.0 for curve in self.calibration.losses[:2]]
        return np.array([*scales, 1.0])

    @cached_property
    def ranges(self) -> Ranges:
        """On which losses are compared."""
        return Ranges(loss=loss_range(self.calibration))

    def add(self, window: WindowOutcomes, batch: OutcomeBatch, chosen: Mask) -> None:
        """Take in the chosen rows, bool [n], of a message into their window."""
        fit = chosen & self._fit(batch)
        window.unfit += int(chosen.sum()) - int(fit.sum())
        window.corrections += int((fit & batch.correction).sum())
        lags = lag_bins(microseconds(batch.label_time) - microseconds(batch.event_time))
        for number, rows in _by_lag(lags, fit & batch.business):
            merge_into(window.business, {number: self._business(window, batch, rows)})
        for number, rows in _by_lag(lags, fit & ~batch.business):
            merge_into(window.labels, {number: self._losses(window, batch, rows)})
        self._place(window, batch, fit & ~batch.business)
        self._compare(window, batch, fit & ~batch.business)

    def _fit(self, batch: OutcomeBatch) -> Mask:
        """Which count: a label of its kind that is not older than its prediction, of a row that has a score."""
        sound = batch.label_time >= batch.event_time
        if self.calibration.kind == "binary":
            told = np.isin(batch.label, (0, 1)) & (np.isnan(batch.replaced) | np.isin(batch.replaced, (0, 1)))
            sound &= told | batch.business
        return np.asarray(sound & (batch.business | ~np.isnan(batch.scores[:, 0])))

    def _losses(self, window: WindowOutcomes, batch: OutcomeBatch, rows: Int64) -> Moments:
        scores, old = batch.scores[rows, 0].astype(np.float64), batch.replaced[rows]
        new = self._steps(batch.label[rows], scores)
        window.capped += int((new >= MOST).any(axis=1).sum())
        again = ~np.isnan(old)
        return Moments.of(new) - Moments.of(self._steps(old[again], scores[again])) if again.any() else Moments.of(new)

    def _steps(self, labels: Float64, scores: Float64) -> Int64:
        calibration = self.calibration
        return to_steps(losses(calibration.kind, labels, scores, calibration.bound), self.scale)

    def _business(self, window: WindowOutcomes, batch: OutcomeBatch, rows: Int64) -> Moments:
        old = batch.replaced[rows]
        new = to_steps(batch.label[rows, None], BUSINESS_SCALE)
        window.capped += int((np.abs(new) >= MOST).sum())
        again = old[~np.isnan(old), None]
        return Moments.of(new) - Moments.of(to_steps(again, BUSINESS_SCALE)) if len(again) else Moments.of(new)

    def _place(self, window: WindowOutcomes, batch: OutcomeBatch, rows: Mask) -> None:
        """By score. A correction changes the signal and nothing else."""
        measure, scores = self.reference.score_measure, batch.scores[rows]
        bins, first = bins_of(scores[:, 0], self.reference.scores[0].edges), ~batch.correction[rows]
        window.counts += np.bincount(bins[first], minlength=FINE)
        places = measure.grid(scores)[:, 0].astype(np.int64)
        np.add.at(window.places, bins[first], places[first])
        np.add.at(window.signals, bins, self._signals(batch.label[rows], scores))
        again = ~first
        np.subtract.at(window.signals, bins[again], self._signals(batch.replaced[rows][again], scores[again]))

    def _compare(self, window: WindowOutcomes, batch: OutcomeBatch, rows: Mask) -> None:
        """A shadow's beside the champion's to the same row, where that is known."""
        beside = batch.champion_scores
        if batch.meta.role == "shadow":
            rows = rows & (np.isfinite(beside[:, 0]) if beside is not None else False)
        for labels, sign, used in ((batch.label, 1, rows), (batch.replaced, -1, rows & batch.correction)):
            keys = [batch.request_id[place] for place in np.flatnonzero(used).tolist()]
            own = self._loss_places(labels[used], batch.scores[used])
            other = None if beside is None else self._loss_places(labels[used], beside[used])
            window.losses.add(groups([None] * len(keys), keys), own, other, sign)

    def _loss_places(self, labels: Float64, scores: NDArray[np.float32]) -> Int64:
        calibration = self.calibration
        found = losses(calibration.kind, labels, scores[:, 0].astype(np.float64), calibration.bound)
        return self.ranges.places("loss", found[:, COMPARED])

    def _signals(self, labels: Float64, scores: NDArray[np.float32]) -> Int64:
        found = signals(self.calibration.kind, labels, scores[:, 0].astype(np.float64))
        return to_steps(found[:, None], np.array([self.calibration.bound]))[:, 0]


def _by_lag(lags: Int64, rows: Mask) -> Iterator[tuple[int, Int64]]:
    """Each lag's bin with the rows in it."""
    places = np.flatnonzero(rows)
    for number in np.unique(lags[places]).tolist():
        yield number, places[lags[places] == number]
