"""What a column of the reference does by itself over time: how it varies, when it misses, how still it stands."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.features import Float32
from shared.monitoring import Monitoring
from shared.reference.bins import FINE, bins_of
from shared.reference.dispersion import Cut, Cuts, PaneCut, at_all_lengths, window_rows
from shared.reference.flats import find_flats
from shared.reference.measure import Measure
from shared.reference.panes import Int64, local_day, pane_starts
from shared.reference.seasons import buckets, counts_by_bucket
from shared.reference.variation import Split, bins_dispersion, level_dispersion, numeric_dispersion, rate_dispersion


class Scale(Protocol):
    """The edges of a column's fine and coarse bins."""

    @property
    def edges(self) -> tuple[float, ...]: ...
    @property
    def coarse_edges(self) -> tuple[float, ...]: ...


def numeric_habits(
    values: Float32, times: Int64, measure: Measure, scale: Scale, monitoring: Monitoring
) -> dict[str, Any]:
    """Of one column float32 [R] in order of its times; `measure` is that of the column alone."""
    cuts = _cuts(times, monitoring)
    known = ~np.isnan(values)
    coarse, fine = bins_of(values, scale.coarse_edges), bins_of(values, scale.edges)[known]
    # by where a row's pane begins, which is all that is known of rows in a stream
    of = buckets(pane_starts(times, monitoring.pane_seconds), monitoring.season, monitoring.time_zone)
    split = Split(of, counts_by_bucket(coarse, of, monitoring.season, len(scale.coarse_edges) + 1))
    places = measure.grid(values[known, None])[:, 0].astype(np.float64)
    return {
        "seasons": tuple(map(tuple, split.counts.tolist())) if monitoring.season != "none" else (),
        "dispersion": at_all_lengths(partial(numeric_dispersion, coarse, split), cuts),
        "bins_dispersion": at_all_lengths(partial(bins_dispersion, coarse, split), cuts),
        "missing_dispersion": rate_dispersion(~known, cuts),
        "zero_dispersion": rate_dispersion(values[known] == 0, _cuts(times[known], monitoring)),
        "flats": find_flats(times[known], fine, places, monitoring.pane_seconds, FINE),
    }


def level_habits(bins: Int64, times: Int64, pooled: Sequence[int], monitoring: Monitoring) -> dict[str, Any]:
    """Of one categorical column's bins int64 [R] (-1 is missing) in order of its times; `pooled` are its r_b."""
    cuts = _cuts(times, monitoring)
    return {
        "dispersion": at_all_lengths(partial(level_dispersion, bins, np.array(pooled)), cuts),
        "missing_dispersion": rate_dispersion(bins < 0, cuts),
    }


def _cuts(times: Int64, monitoring: Monitoring) -> Cuts:
    length = window_rows(len(times), monitoring.nominal_rows)
    return Cuts(Cut(len(times), length), PaneCut(times, monitoring.pane_seconds))


def day_shares(occurs: NDArray[np.bool_], times: Int64, zone: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Least and greatest share of each local day, of indicators [R, k]."""
    starts, where = np.unique(pane_starts(times, 900), return_inverse=True)  # no zone's day begins within a quarter
    days = np.array([local_day(start, zone) for start in starts.tolist()])[where]
    _, day = np.unique(days, return_inverse=True)
    rows = np.bincount(day)
    shares = np.array([np.bincount(day, weights=column) / rows for column in occurs.T])
    return tuple(shares.min(axis=1).tolist()), tuple(shares.max(axis=1).tolist())


def importance(bins: Int64, scores: Float32) -> float | None:
    """η²: the share of the first score's variance that lies between the bins int64 [R] of a feature (-1: missing).

    (Pearson's correlation ratio, 1905.) It asks nothing of the model; None where the scores do not vary.
    """
    if not scores.shape[1]:
        return None
    known = ~np.isnan(scores[:, 0])
    score, bins = scores[known, 0].astype(np.float64), bins[known] + 1
    if len(score) < 2 or not (spread := float(np.square(score - score.mean()).sum())) > 0:
        return None
    rows = np.bincount(bins)
    means = np.bincount(bins, weights=score - score.mean()) / np.maximum(rows, 1)
    return min(1.0, float(rows @ means**2) / spread)
