"""Looks at a simulated rollout after every pane, as a person in doubt would."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.rollout.streams import Kind, panes
from services.drift_detection.domain.rollout.band import bands
from services.drift_detection.domain.rollout.dispersion import dispersion
from services.drift_detection.domain.rollout.evidence import Design, Evidence
from shared.rollout import METRICS

Float64 = NDArray[np.float64]
# In half units, as the values of a shadow's differences are in `Evidence`.
PAIRED = Design(np.ones(len(METRICS), dtype=np.bool_), np.full(len(METRICS), 2.0))


@dataclass
class Seen:
    """Whether the truth ever left a band, of any metric; after how many rows of the version harm was sure, by metric.

    `dispersion` of the first metric at the end; `peeked`: a plain z-test at the same levels, looked at as often, was
    ever wrong.
    """

    left: bool = False
    peeked: bool = False
    found: Float64 = field(default_factory=lambda: np.full(len(METRICS), np.nan))
    dispersion: float = 1.0
    judged: bool = False


def design(kind: Kind) -> Design:
    """A canary's, or a shadow's with differences in every metric."""
    return PAIRED if kind.paired else Design.of("canary")


def watch(kind: Kind, count: int, seed: int, *, judge_dispersion: bool = True) -> Seen:
    """One rollout of so many panes."""
    evidence, plan, seen = Evidence.nothing(), design(kind), Seen()
    truth = kind.harm + (kind.level if kind.paired else 0)
    for pane in panes(kind, count, np.random.default_rng(seed)):
        evidence = evidence.after(pane.version, pane.champion, plan)
        spread = dispersion(evidence)
        band = bands(evidence, spread.factor if judge_dispersion else np.ones(len(METRICS)), plan)
        used = spread.assessed if judge_dispersion else evidence.weight > 0
        seen.judged |= bool(used.any())
        seen.left |= bool((used & ((band.lower > truth) | (band.upper < truth))).any())
        half = _plain(evidence, plan)
        seen.peeked |= bool((used & (np.abs(band.difference - truth) > half)).any())
        sure = used & (band.lower > 0) & np.isnan(seen.found)
        seen.found[sure] = evidence.seen[0][sure]
        seen.dispersion = float(spread.factor[0])
    return seen


def _plain(evidence: Evidence, plan: Design) -> Float64:
    """Half the width of the textbook interval at 1 - .05/5 for rows that are independent, in units of the ranges."""
    weight = np.where(evidence.weight > 0, evidence.weight, np.nan)
    return np.asarray(2.5758 * np.sqrt(evidence.scatter.sum(axis=0)) / weight * plan.spread)
