"""Bands that are looked at after every pane: how often the truth ever leaves one, and how soon harm is seen."""

import numpy as np
import pytest

from benchmarks.rollout.streams import Kind
from benchmarks.rollout.watching import Seen, watch

STREAMS, PANES = 20, 50
ALPHA = 0.05
SUBJECTS = Kind(subjects=300, alike=0.1, noise=0.1, share=0.5, later=0.5)
PAIRED = Kind(paired=True, level=0.0, subjects=300, alike=0.1, noise=0.05)


def watched(kind: Kind, **how: bool) -> list[Seen]:
    return [watch(kind, PANES, seed, **how) for seed in range(STREAMS)]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(Kind(share=0.5, later=0.5), id="independent"),
        pytest.param(Kind(rare=0.02, share=0.5, later=0.5), id="rare"),
        pytest.param(Kind(cycle=0.3, noise=0.1, share=0.05, later=0.5), id="cycle and another share"),
        pytest.param(Kind(rows=4, share=0.5, later=0.5), id="few rows in a pane"),
        pytest.param(Kind(share=0.3, later=0.3, silent=True), id="one side is silent at times"),
        pytest.param(Kind(share=0.5, later=0.5, run=20), id="requests of many rows"),
        pytest.param(SUBJECTS, id="few subjects"),
        pytest.param(PAIRED, id="shadow, few subjects"),
    ],
)
def test_the_truth_ever_leaves_a_band_in_no_more_streams_than_promised(kind: Kind) -> None:
    seen = watched(kind)
    assert np.mean([one.judged for one in seen]) > 0.5
    assert np.mean([one.left for one in seen]) <= ALPHA


def test_rows_of_few_subjects_are_wrong_when_taken_for_independent_ones() -> None:
    assert np.mean([one.left for one in watched(SUBJECTS, judge_dispersion=False)]) > 4 * ALPHA
    assert np.mean([one.left for one in watched(PAIRED, judge_dispersion=False)]) > 4 * ALPHA


def test_a_plain_test_that_is_looked_at_often_is_wrong() -> None:
    assert np.mean([one.peeked for one in watched(Kind(share=0.5, later=0.5))]) > 2 * ALPHA


def test_harm_of_a_quarter_deviation_is_seen_within_a_thousand_rows_of_the_version() -> None:
    rows = np.concatenate([one.found for one in watched(Kind(harm=0.05, share=0.5, later=0.5))])
    assert np.isfinite(rows).all()
    assert np.median(rows) <= 1_000
