import numpy as np
import pytest

from services.drift_detection.domain.performance.lags import EDGES, lag_bins, total
from services.drift_detection.domain.performance.moments import MOST, STEPS, Moments, to_steps
from services.drift_detection.domain.performance.outcomes import Scorer, WindowOutcomes
from shared.definition import LabelKind
from shared.outcomes import OutcomeBatch
from shared.reference.losses import losses
from tests.unit.drift_detection.performance.cases import HOUR, everything, outcomes, rows, scorer
from tests.unit.drift_detection.performance.flow import part


def taken(known: Scorer, *batches: OutcomeBatch) -> WindowOutcomes:
    window = WindowOutcomes()
    for batch in batches:
        known.add(window, batch, everything(batch))
    return window


def same(left: WindowOutcomes, right: WindowOutcomes) -> None:
    for name, value in vars(left).items():
        np.testing.assert_equal(getattr(right, name), value)


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_sums_are_those_of_the_losses(kind: LabelKind) -> None:
    known = scorer(kind)
    scores, labels = rows(kind, 2_000, np.random.default_rng(1))
    window = taken(known, outcomes(scores, labels))
    found = total(window.labels)
    assert found is not None
    values = losses(kind, labels, scores[:, 0].astype(np.float64), known.calibration.bound)
    assert found.rows == 2_000
    np.testing.assert_allclose(np.array(found.sums) * known.scale / STEPS, values.sum(axis=0), rtol=1e-5)
    squares = np.array([float(value) for value in found.squares]) * (known.scale / STEPS) ** 2
    np.testing.assert_allclose(squares, (values**2).sum(axis=0), rtol=1e-4)


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_labels_in_any_order_and_any_parts_give_the_same_sums(kind: LabelKind) -> None:
    known, random = scorer(kind), np.random.default_rng(2)
    scores, labels = rows(kind, 500, random)
    hours = random.exponential(5, 500)
    whole = taken(known, outcomes(scores, labels, hours=hours))
    order = random.permutation(500)
    shuffled = outcomes(scores[order], labels[order], hours=hours[order])
    parts = [taken(known, part(shuffled, slice(0, 130))), taken(known, part(shuffled, slice(130, None)))]
    parts[1].merge(parts[0])
    same(parts[1], whole)


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_correction_takes_back_what_was_and_leaves_what_would_have_been(kind: LabelKind) -> None:
    known = scorer(kind)
    scores, labels = rows(kind, 200, np.random.default_rng(3))
    wrong = 1 - labels
    corrected = taken(known, outcomes(scores, wrong), outcomes(scores, labels, hours=9, replaced=wrong))
    right = taken(known, outcomes(scores, labels))
    assert total(corrected.labels) == total(right.labels)
    assert corrected.corrections == 200
    for name in ("counts", "places", "signals"):
        np.testing.assert_array_equal(getattr(corrected, name), getattr(right, name))


def test_only_the_chosen_rows_of_a_message_are_taken() -> None:
    known = scorer("binary")
    batch = outcomes(*rows("binary", 100, np.random.default_rng(4)))
    window = WindowOutcomes()
    known.add(window, batch, np.arange(100) < 30)
    same(window, taken(known, part(batch, slice(0, 30))))


def test_labels_that_can_not_count_are_counted_as_unfit() -> None:
    known = scorer("binary")
    scores, labels = rows("binary", 6, np.random.default_rng(5))
    labels[0] = 0.5
    scores[1] = np.nan
    hours = np.array([3, 3, -1, 3, 3, 3])
    replaced = np.array([np.nan, np.nan, np.nan, 7, np.nan, np.nan])
    window = taken(known, outcomes(scores, labels, hours=hours, replaced=replaced))
    found = total(window.labels)
    assert found is not None
    assert (window.unfit, found.rows, int(window.counts.sum()), window.corrections) == (4, 2, 2, 0)


def test_business_outcomes_are_kept_apart_and_may_be_any_number() -> None:
    known = scorer("binary")
    scores, labels = rows("binary", 4, np.random.default_rng(6))
    values = np.array([10.25, -3, 0.004, 1e6])
    window = taken(known, outcomes(scores, labels), outcomes(scores, values, hours=40, business=True))
    money = total(window.business)
    assert money is not None
    assert (money.rows, money.sums[0]) == (4, 1_000_007_254)
    assert total(window.labels) == total(taken(known, outcomes(scores, labels)).labels)
    taken_back = outcomes(scores[:1], np.array([20.25]), business=True, replaced=10.25)
    known.add(window, taken_back, everything(taken_back))
    money = total(window.business)
    assert money is not None
    assert (money.rows, money.sums[0]) == (4, 1_000_017_254)


def test_what_is_too_large_to_count_is_capped_and_said() -> None:
    known = scorer("regression")
    scores, labels = rows("regression", 3, np.random.default_rng(7))
    labels[0] = 1e300
    window = taken(known, outcomes(scores, labels))
    assert window.capped == 1
    found = total(window.labels)
    assert found is not None
    assert MOST <= found.sums[0] < MOST + 100 * STEPS
    assert known.scale[0] == known.calibration.losses[0].overall


def test_sums_of_squares_do_not_overflow() -> None:
    found = Moments.of(np.full((3, 1), MOST))
    assert found.squares == (3 * MOST**2,)
    assert to_steps(np.array([[np.inf, -1e300]]), np.ones(2)).tolist() == [[MOST, -MOST]]


def test_lags_fall_in_the_bin_that_ends_after_them() -> None:
    lags = np.array([0, int(EDGES[0]) - 1, int(EDGES[0]), 12 * HOUR, 2**62])
    assert lag_bins(lags).tolist() == [0, 0, 1, int(np.searchsorted(EDGES, 12 * HOUR, side="right")), len(EDGES)]
    assert (np.diff(EDGES) > 0).all()
