"""Other sequences for the same streams, to see what the choice costs or gains."""

import math

import numpy as np

from benchmarks.rollout.streams import Kind, panes
from benchmarks.rollout.watching import design
from services.drift_detection.domain.rollout.band import ALPHA, bands
from services.drift_detection.domain.rollout.evidence import Design, Evidence
from services.drift_detection.domain.rollout.sums import GRID, Sums
from shared.rollout import METRICS

_ONES = np.ones(len(METRICS))
_ALONE = Design(np.ones(len(METRICS), dtype=np.bool_), _ONES)
_DIFFERENCES = Design(np.ones(len(METRICS), dtype=np.bool_), 2 * _ONES)


def widths(kind: Kind, count: int, seed: int) -> dict[str, float]:
    """Of the first metric's band after so many panes, as multiples of the textbook interval for one look.

    `this`; `union`: a sequence for each version, their difference; `panes`: differences of panes' means as single
    values; `asymptotic`: Robbins' normal mixture with the variance estimated, tuned for just this end (Waudby-Smith,
    Arbour, Sinha, Kennedy, Ramdas 2021), valid in large samples only.
    """
    nothing, plan = Sums.empty(), design(kind)
    both = version = champion = means = Evidence.nothing()
    for pane in panes(kind, count, np.random.default_rng(seed)):
        both = both.after(pane.version, pane.champion, plan)
        version = version.after(pane.version, nothing, _ALONE)
        champion = champion.after(pane.champion, nothing, _ALONE)
        if pane.version.answered and pane.champion.answered:
            means = means.after(_difference(pane.version, pane.champion), nothing, _DIFFERENCES)
    look = 2 * 2.5758 * math.sqrt(both.scatter.sum(axis=0)[0]) / both.weight[0]
    union = _width(version, _ALONE, ALPHA / 2) + _width(champion, _ALONE, ALPHA / 2)
    return {
        "this": _width(both, plan, ALPHA) / look,
        "union": union / look,
        "panes": _width(means, _DIFFERENCES, ALPHA) / look,
        "asymptotic": _asymptotic(both) / look,
    }


def _width(evidence: Evidence, plan: Design, alpha: float) -> float:
    band = bands(evidence, _ONES, plan, alpha)
    return float(band.upper[0] - band.lower[0])


def _difference(version: Sums, champion: Sums) -> Sums:
    """The difference of a pane's means as one value."""
    made = Sums.empty()
    made.answered = 1
    means = [side.sums.sum(axis=1) / side.rows.sum(axis=1) for side in (version, champion)]
    places = np.rint(means[0] - means[1]).astype(np.int64)
    for metric in range(len(METRICS)):
        made.add(metric, np.zeros(1, dtype=np.int64), places[metric : metric + 1])
    assert np.abs(places).max() <= GRID
    return made


def _asymptotic(evidence: Evidence) -> float:
    alpha = ALPHA / len(METRICS)
    scatter = float(evidence.scatter.sum(axis=0)[0])
    rho = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / scatter
    mixed = scatter * rho + 1
    return 2 * math.sqrt(mixed / rho * (math.log(mixed) - 2 * math.log(alpha))) / float(evidence.weight[0])
