"""Panes in order of time, whatever order they come in."""

from itertools import pairwise

import numpy as np

from services.drift_detection.domain.rollout.comparison import Comparison, Pane, Sofar
from services.drift_detection.domain.rollout.evidence import Design, Evidence
from services.drift_detection.domain.rollout.sums import Sums
from tests.unit.drift_detection.rollout.panes import MINUTE, noisy, sums

CANARY = Design.of("canary")


def empty() -> Comparison:
    return Comparison(Sofar(Evidence.nothing()), CANARY)


def same(one: Sofar, other: Sofar) -> bool:
    arrays = zip(vars(one.evidence).values(), vars(other.evidence).values(), strict=True)
    counts = [(each.rows, each.champion_rows, each.start) for each in (one, other)]
    return counts[0] == counts[1] and all(np.array_equal(left, right) for left, right in arrays)


def test_panes_in_any_order_come_to_the_same_to_the_bit() -> None:
    panes = noisy("score", 40, (0.5, 0.52))
    expected, shuffled = empty(), empty()
    for pane in panes:
        expected.put(pane)
    for place in np.random.default_rng(2).permutation(len(panes)).tolist():
        shuffled.put(panes[place])
        shuffled.sofar()
    assert same(shuffled.sofar(), expected.sofar())
    assert (expected.sofar().rows, expected.sofar().champion_rows, expected.sofar().start) == (800, 3_200, 0)


def test_late_rows_replace_what_a_pane_said_before() -> None:
    panes = noisy("score", 20, (0.5, 0.5))
    late = sums("score", [0.9] * 10)
    whole = Sums.empty()
    whole.merge(panes[5].version)
    whole.merge(late)
    comparison, expected = empty(), empty()
    for pane in panes:
        comparison.put(pane)
        expected.put(pane._replace(version=whole) if pane is panes[5] else pane)
    comparison.sofar()
    comparison.put(panes[5]._replace(version=whole))
    assert same(comparison.sofar(), expected.sofar())
    assert comparison.sofar().rows == 410


def test_what_is_folded_into_the_base_changes_nothing() -> None:
    panes = noisy("score", 20, (0.5, 0.5))
    whole, folded = empty(), empty()
    for pane, following in pairwise(panes):
        whole.put(pane)
        folded.put(pane)
        folded.forget(following.start - 3 * MINUTE)
    assert same(whole.sofar(), folded.sofar())
    assert folded.base.start == 0
    resumed = Comparison(folded.base, CANARY)  # as after a restart, when the last panes are put again
    for pane in panes[-4:-1]:
        resumed.put(pane)
    assert same(resumed.sofar(), whole.sofar())


def test_sums_merge_in_any_order_and_split() -> None:
    random = np.random.default_rng(4)
    parts = [sums("score", random.random(50), seed) for seed in range(4)]
    parts[2].errors_known = False
    forward, backward = Sums.empty(), Sums.empty()
    for part in parts:
        forward.merge(part)
    for part in reversed(parts):
        backward.merge(part)
    for name, value in vars(forward).items():
        assert np.array_equal(value, getattr(backward, name))
    assert (forward.answered, forward.rows.sum(), forward.errors_known) == (200, 200, False)


def test_a_champion_before_its_canary_counts_as_rows_of_its_own_side_only() -> None:
    comparison = empty()
    comparison.put(Pane(0, Sums.empty(), sums("score", [0.5] * 30)))
    assert (comparison.sofar().rows, comparison.sofar().champion_rows) == (0, 30)
