"""The evidence of panes, against sums over single rows, and what must not count."""

import math
from functools import reduce

import numpy as np
import pytest

from services.drift_detection.domain.rollout.band import bands
from services.drift_detection.domain.rollout.comparison import Pane
from services.drift_detection.domain.rollout.evidence import LEARNED, RATES, Design, Evidence
from services.drift_detection.domain.rollout.sums import GRID, PLACE, Sums
from shared.rollout import METRICS
from tests.unit.drift_detection.rollout.panes import noisy, sums

CANARY, SHADOW = Design.of("canary"), Design.of("shadow")
SCORE, ERROR = PLACE["score"], PLACE["error"]
ONES = np.ones(len(METRICS))


def after(panes: list[Pane], design: Design = CANARY) -> Evidence:
    return reduce(lambda before, pane: before.after(pane.version, pane.champion, design), panes, Evidence.nothing())


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.8])
@pytest.mark.parametrize("mean", [0.0, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("guess", [0.0, 0.3, 1.0])
def test_what_a_row_adds_has_a_mean_of_at_most_one(rate: float, mean: float, guess: float) -> None:
    def factor(value: float, sign: int) -> float:
        penalty = -math.log1p(-rate) - rate
        return math.exp(sign * rate * (value - mean) - penalty * (value - guess) ** 2)

    for sign in (1, -1):
        assert mean * factor(1, sign) + (1 - mean) * factor(0, sign) <= 1 + 1e-12


def test_the_evidence_of_panes_is_that_of_their_rows_one_by_one() -> None:
    random = np.random.default_rng(1)
    values = [(random.random(n), random.random(m)) for n, m in ((30, 50), (3, 90), (70, 1), (25, 25))]
    evidence = Evidence.nothing()
    gain, weight, cost = 0.0, 0.0, np.zeros(len(RATES))
    before: tuple[list[float], list[float]] = ([], [])
    for version, champion in values:
        sides = [np.rint(side * GRID) / GRID for side in (version, champion)]
        evidence = evidence.after(sums("score", version), sums("score", champion), CANARY)
        if len(before[0]) >= LEARNED:
            both = len(version) + len(champion)
            for side, other, sign, past in zip(sides, sides[::-1], (1, -1), before, strict=True):
                factor = len(other) / both
                for value in side:
                    gain += sign * factor * value
                    cost += (-np.log1p(-RATES * factor) - RATES * factor) * (value - np.mean(past)) ** 2
            weight += len(version) * len(champion) / both
        for past, side in zip(before, sides, strict=True):
            past.extend(side.tolist())
        assert evidence.gain[SCORE] == pytest.approx(gain, abs=1e-9)
        assert evidence.weight[SCORE] == pytest.approx(weight)
        assert evidence.cost[SCORE] == pytest.approx(cost)
    assert evidence.panes[SCORE] == 3


def test_at_the_end_of_the_band_the_evidence_of_all_rates_is_just_enough() -> None:
    evidence = after(noisy("score", 60, (0.55, 0.5)))
    band = bands(evidence, ONES, CANARY)
    for bound, sign in ((band.lower[SCORE], 1), (band.upper[SCORE], -1)):
        gain = sign * (evidence.gain[SCORE] - bound * evidence.weight[SCORE])
        whole = np.exp(RATES * gain - evidence.cost[SCORE]).mean()
        assert math.log(whole) == pytest.approx(math.log(2 * len(METRICS) / 0.05), abs=1e-3)
    assert band.lower[SCORE] < band.difference[SCORE] < band.upper[SCORE]


def test_a_pane_in_which_one_side_is_silent_says_nothing() -> None:
    panes = noisy("score", 10, (0.6, 0.5))
    nothing = Sums.empty()
    quiet = [Pane(pane.start, nothing, pane.champion) for pane in panes]
    evidence = after(quiet)
    assert not evidence.weight.any()
    assert np.isnan(bands(evidence, ONES, CANARY).lower).all()
    known = after(panes)
    longer = after(panes + quiet)
    assert (longer.gain[SCORE], longer.weight[SCORE]) == (known.gain[SCORE], known.weight[SCORE])


def test_what_both_share_in_a_pane_falls_out_even_when_the_share_changes() -> None:
    evidence, random = Evidence.nothing(), np.random.default_rng(3)
    for number in range(100):
        level, rows = (0.2, (5, 95)) if number < 50 else (0.8, (95, 5))  # the means of all rows differ by .53
        version, champion = (random.normal(level, 0.05, count) for count in rows)
        evidence = evidence.after(sums("score", version), sums("score", champion), CANARY)
    band = bands(evidence, ONES, CANARY)
    assert band.lower[SCORE] < 0 < band.upper[SCORE]
    assert band.difference[SCORE] == pytest.approx(0, abs=0.02)


def test_failures_that_were_not_told_of_are_not_known_and_no_error_is_one_too() -> None:
    def pane(told: bool) -> Pane:
        version, champion = sums("error", [1.0] * 30), sums("error", [0.0] * 30)
        version.errors_known = told
        return Pane(0, version, champion)

    assert not after([pane(False)] * 5).weight.any()
    assert after([pane(True)] * 5).weight[ERROR] > 0
    assert bands(after([pane(True)] * 9), ONES, CANARY).lower[ERROR] > 0.5


def test_versions_that_answer_the_same_have_a_band_around_nothing_that_narrows() -> None:
    def identical(rows: int) -> list[Pane]:
        return [Pane(0, sums("score", [0.0] * rows), Sums.empty())] * 20

    few, many = (bands(after(identical(rows), SHADOW), ONES, SHADOW) for rows in (30, 3_000))
    for band in (few, many):
        assert (band.difference[SCORE], band.lower[SCORE]) == (0, -band.upper[SCORE])
    assert many.upper[SCORE] < 0.02 * few.upper[SCORE]
    assert many.upper[SCORE] < 0.001


def test_a_shadows_difference_is_told_in_whole_units_with_what_the_champion_had() -> None:
    version = sums("score", [0.25] * 40)
    version.beside[SCORE] = 40 * GRID // 2
    evidence = after([Pane(0, version, Sums.empty())] * 50, SHADOW)
    band = bands(evidence, ONES, SHADOW)
    assert band.difference[SCORE] == pytest.approx(0.25)
    assert 0.2 < band.lower[SCORE] < 0.25 < band.upper[SCORE] < 0.3
    assert evidence.level[SCORE] / evidence.weight[SCORE] * SHADOW.spread[SCORE] == pytest.approx(0.5)
