import numpy as np
import pytest
from numpy.typing import NDArray

from services.drift_detection.domain.detector import effects
from services.drift_detection.domain.detector.effects import Mix
from services.drift_detection.domain.detector.group import PaneCounts
from shared.events import DriftedFeature, EffectMeasure
from tests.unit.drift_detection.detector.worlds import profile, world

RANDOM = np.random.default_rng(6)
VALUES = RANDOM.normal(5, 2, 10_000)
NORMAL = profile(VALUES)
NONE = np.zeros(1, np.bool_)


def binned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    edges = np.array(NORMAL.coarse_edges, np.float32)
    return np.bincount(np.searchsorted(edges, values.astype(np.float32), side="right"), minlength=20).astype(np.float64)


def mix(values: NDArray[np.float64]) -> Mix:
    """These rows beside those of the reference."""
    return Mix(binned(VALUES), binned(values))


def test_a_shift_is_told_in_the_features_unit_and_in_deviations() -> None:
    found = effects.shift(NORMAL, mix(RANDOM.normal(6, 2, 50_000)))
    assert (found.effect, found.size) == pytest.approx((1, 0.5), abs=0.05)
    assert found.measure == "d"
    assert effects.shift(NORMAL, mix(RANDOM.normal(4, 2, 50_000))).effect == pytest.approx(-1, abs=0.05)
    assert effects.shift(NORMAL, mix(VALUES)).effect == pytest.approx(0, abs=1e-9)


def test_a_jump_is_told_in_deviations_of_the_reference() -> None:
    assert effects.standard_deviation(NORMAL) == pytest.approx(VALUES.std(), rel=1e-3)
    found = effects.jump(-3, NORMAL)
    assert (found.effect, found.size) == pytest.approx((-3, 3 / VALUES.std()), rel=1e-3)


def test_a_constant_has_no_deviations_to_tell_a_change_in() -> None:
    assert effects.jump(2, profile(np.full(100, 7.0))).size == 0
    assert effects.standard_deviation(profile(np.full(100, np.nan))) == 0


def test_another_shape_is_told_as_total_variation_and_cohens_w() -> None:
    found = effects.shape(Mix(binned(VALUES), binned(VALUES) * np.repeat([1.5, 0.5], 10)))
    assert found.effect == pytest.approx(0.25, abs=1e-3)
    assert found.size == pytest.approx(0.5, abs=2e-3)
    assert found.measure == "w"


def test_rows_as_they_were_are_of_no_size_however_few() -> None:
    sizes = [effects.shape(mix(RANDOM.choice(VALUES, 200))).size for _ in range(200)]
    assert np.median(sizes) < 0.15
    assert effects.shape(mix(VALUES)).size == 0


def test_another_mix_is_told_as_total_variation_and_cohens_w() -> None:
    p, q = np.array([0.5, 0.3, 0.195, 0.005]), np.array([0.6, 0.3, 0.1, 0])
    found = effects.shape(Mix(p * 7, q * 100_000))
    assert found.effect == pytest.approx(np.abs(q - p).sum() / 2)
    assert found.size == pytest.approx((np.square(q - p) / p).sum() ** 0.5, abs=1e-3)


def counts(missing: int, zeros: int, outside: int, present: int) -> PaneCounts:
    bins = np.array([[present, 0]])
    return PaneCounts(
        np.array([present + missing]), bins, np.array([[missing, zeros, outside]]), NONE, NONE, NONE, NONE
    )


def test_rates_are_told_as_shares_and_cohens_h() -> None:
    values = np.r_[np.full(1000, np.nan), np.zeros(900), RANDOM.normal(5, 1, 8100)]
    there, pane = profile(values), counts(40, 36, 18, 160)
    for event, now, before in ((0, 0.2, 0.1), (1, 36 / 160, 0.1), (2, 18 / 160, 0)):
        found = effects.share(pane, 0, event, there)
        assert found.effect == pytest.approx(now - before)
        assert found.size == pytest.approx(abs(2 * np.arcsin(now**0.5) - 2 * np.arcsin(before**0.5)))
        assert found.measure == "h"
    levels = world({}, {"c": np.repeat([0, -2], [900, 100])}).reference.categorical[0]
    assert effects.share(pane, 0, 0, levels).effect == pytest.approx(0.1)


@pytest.mark.parametrize(("measure", "medium"), [("d", 0.5), ("h", 0.5), ("w", 0.3)])
def test_a_drift_is_major_from_a_medium_size_on(measure: EffectMeasure, medium: float) -> None:
    told = DriftedFeature(name="x", rule="shift", statistic=9, threshold=8, evidence=1e6, effect=1)
    assert not effects.is_major(told)
    for size, major in ((medium * 0.99, False), (medium, True), (3, True)):
        assert effects.is_major(told.model_copy(update={"size": size, "measure": measure})) is major
