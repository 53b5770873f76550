import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom, chi2, norm, poisson

from services.drift_detection.domain.detector.budget import Budget
from shared.reference.dispersion import Component, Dispersion
from tests.unit.drift_detection.detector.worlds import budget

F = 50
ALPHA = 0.05 / (8 * F)


@pytest.fixture
def fifty() -> Budget:
    return budget(F)


def test_a_direction_reaches_as_far_as_a_normal_quantile(fifty: Budget) -> None:
    assert fifty.rate_level == pytest.approx(ALPHA)
    assert norm.sf(fifty.normal) == pytest.approx(ALPHA)


@pytest.mark.parametrize("bins", [2, 5, 20])
def test_any_direction_reaches_as_far_as_a_chi_square_quantile(fifty: Budget, bins: int) -> None:
    assert chi2.sf(fifty.radius(bins) ** 2, bins - 1) == pytest.approx(0.05 / F)


def test_one_bin_has_no_direction(fifty: Budget) -> None:
    assert fifty.radius(1) == 0


@pytest.mark.parametrize(("times", "rows"), [(0, 500), (3, 500), (250, 500), (100, 10_000)])
def test_rates_are_bounded_as_the_binomial_says(fifty: Budget, times: int, rows: int) -> None:
    """Clopper and Pearson: at p⁺ so few occur with probability alpha, at p⁻ so many."""
    upper = brentq(lambda p: binom.cdf(times, rows, p) - ALPHA, 1e-12, 1 - 1e-12, xtol=1e-15)
    assert fifty.upper_rate(times, rows) == pytest.approx(upper, rel=1e-6)
    if times:
        lower = brentq(lambda p: binom.sf(times - 1, rows, p) - ALPHA, 1e-12, 1 - 1e-12, xtol=1e-15)
        assert fifty.lower_rate(times, rows) == pytest.approx(lower, rel=1e-6)


def test_a_rate_that_never_or_always_occurred_is_bounded_by_0_or_1(fifty: Budget) -> None:
    assert fifty.lower_rate(0, 500) == 0
    assert fifty.upper_rate(500, 500) == 1
    assert fifty.upper_rate(0, 0) == 1


def test_beyond_both_ends_of_the_reference_lies_so_much_with_probability_alpha(fifty: Budget) -> None:
    """R times the share beyond is Gamma(2): it exceeds x if a Poisson of mean x counts one at most."""
    assert poisson.cdf(1, fifty.beyond_range) == pytest.approx(ALPHA)


def found(*parts: tuple[float, float, float], windows: int = 100, lags: int = 6) -> Dispersion:
    names = ("variance", "long_run", "dependence")
    components = tuple(Component(freedom=windows - 1, **dict(zip(names, part, strict=True))) for part in parts)
    return Dispersion(windows=windows, lags=lags, components=components)


def test_rows_as_good_as_independent_have_a_dispersion_of_1(fifty: Budget) -> None:
    assert fifty.dispersion(found((1.1, 1.2, 6.0), (0.9, 0.8, 5.0))) == 1


def test_one_window_too_variable_counts_by_the_upper_bound_of_its_variance(fifty: Budget) -> None:
    level = 0.01 / (2 * F)
    limit = float(chi2.isf(level, 99)) / 99
    quiet = (1.0, 1.0, 6.0)
    assert fifty.dispersion(found(quiet, (limit * 0.999, 9.0, 6.0))) == 1
    variance = limit * 1.001
    assert fifty.dispersion(found(quiet, (variance, 9.0, 6.0))) == pytest.approx(variance * 99 / chi2.ppf(0.05, 99))


def test_dependent_windows_count_by_the_upper_bound_of_the_long_run_variance(fifty: Budget) -> None:
    limit = float(chi2.isf(0.01 / (2 * F), 6))
    quiet, freedom = (1.0, 1.0, 6.0), 1.5 * 100 / 7
    assert fifty.dispersion(found(quiet, (1.0, 9.0, limit * 0.999))) == 1
    bound = 9.0 * freedom / chi2.ppf(0.05, freedom)
    assert fifty.dispersion(found(quiet, (1.0, 9.0, limit * 1.001))) == pytest.approx(bound)
    assert fifty.dispersion(found(quiet, (1.0, 0.1, limit * 1.001))) == 1  # never below


def test_what_varies_by_the_hour_counts_though_in_the_long_run_it_does_not(fifty: Budget) -> None:
    """A daily cycle has a long-run variance of all but 0."""
    assert fifty.dispersion(found((5.0, 0.1, 500.0))) == pytest.approx(5 * 99 / chi2.ppf(0.05, 99))
    full, short = found((1.0, 1.0, 6.0)), found((4.0, 50.0, 500.0), windows=500)
    both = full.model_copy(update={"shorter": (short,)})
    assert fifty.dispersion(full) == 1
    assert fifty.dispersion(both) == pytest.approx(4 * 499 / chi2.ppf(0.05, 499))


def test_panes_count_by_their_variance_their_tail_and_if_they_vary_too_much_by_the_long_run(fifty: Budget) -> None:
    full = found((1.0, 1.0, 6.0))

    def with_panes(panes: Dispersion) -> float:
        return fifty.dispersion(full.model_copy(update={"panes": panes}))

    assert with_panes(found((1.0, 9.0, 500.0))) == 1
    assert with_panes(found((4.0, 1.0, 6.0))) == pytest.approx(4 * 99 / chi2.ppf(0.05, 99))
    freedom = 1.5 * 100 / 7
    assert with_panes(found((4.0, 9.0, 500.0))) == pytest.approx(9 * freedom / chi2.ppf(0.05, freedom))
    quiet = found((1.0, 1.0, 6.0))
    [part] = quiet.components
    assert with_panes(quiet.model_copy(update={"components": (part.model_copy(update={"tail": 7.0}),)})) == 7


def test_a_feature_is_as_dispersed_as_the_worst_of_its_components(fifty: Budget) -> None:
    parts = [(3.0, 1.0, 6.0), (7.0, 1.0, 6.0), (1.0, 1.0, 6.0)]
    each = [fifty.dispersion(found(part, part)) for part in parts]
    assert fifty.dispersion(found(*parts[:2])) == max(each) > 7


def test_each_of_many_components_is_tested_at_a_level_of_its_own(fifty: Budget) -> None:
    """Twenty bins share the 1 % that two directions do."""
    variance = float(chi2.isf(0.01 / (5 * F), 99)) / 99
    assert fifty.dispersion(found(*[(variance, 1.0, 6.0)] * 2)) > 1
    assert fifty.dispersion(found(*[(variance, 1.0, 6.0)] * 20)) == 1


def test_what_was_not_assessed_is_taken_as_independent(fifty: Budget) -> None:
    assert fifty.dispersion(None) == 1
    assert fifty.dispersion(found(windows=29, lags=0)) == 1
    assert fifty.dispersion(found(windows=40)) == 1


def test_more_streams_need_more_evidence() -> None:
    few, many = budget(2), budget(500)
    assert few.normal < many.normal
    assert few.upper_rate(5, 100) < many.upper_rate(5, 100)
    assert np.isfinite(many.beyond_range)
