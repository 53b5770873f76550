import numpy as np
import pytest
from numpy.typing import NDArray

from shared.reference.basis import directions, smoothed
from shared.reference.dispersion import (
    Component,
    Counted,
    Cut,
    Cuts,
    Dispersion,
    PaneCut,
    window_rows,
)
from shared.reference.panes import MICROSECONDS
from shared.reference.variation import (
    Split,
    bins_dispersion,
    level_dispersion,
    numeric_dispersion,
    rate_dispersion,
)

Bins = NDArray[np.int64]


def unsplit(counts: NDArray[np.int64], rows: int) -> Split:
    """Rows without a season."""
    return Split(np.zeros(rows, np.int64), counts[None, :])


def by_hand(z: list[float], lags: int, inflation: float) -> Component:
    """Variance, Bartlett's long-run variance and W·Σ autocorrelation², a sum at a time."""
    count, mean = len(z), sum(z) / len(z)
    covariance = [
        sum((z[t] - mean) * (z[t + lag] - mean) for t in range(count - lag)) / count for lag in range(lags + 1)
    ]
    long_run = covariance[0] + sum(2 * (1 - lag / (lags + 1)) * covariance[lag] for lag in range(1, lags + 1))
    return Component(
        variance=sum((one - mean) ** 2 for one in z) / (count - 1) * inflation,
        long_run=long_run * inflation,
        dependence=count * sum((one / covariance[0]) ** 2 for one in covariance[1:]),
        freedom=count - 1,
    )


def same(found: Dispersion, expected: list[Component]) -> bool:
    parts = [list(vars(part).values()) for part in found.components]
    return parts == [pytest.approx(list(vars(part).values()), rel=1e-9) for part in expected]


@pytest.fixture
def bins() -> Bins:
    """4,000 rows in runs of 5, in four bins, some of them missing."""
    random = np.random.default_rng(3)
    drawn: Bins = np.repeat(random.choice(4, 800, p=[0.4, 0.3, 0.2, 0.1]), 5)
    drawn[random.random(4000) < 0.1] = -1
    return drawn


def counted(z: NDArray[np.float64]) -> Counted:
    return Counted(z, np.full(len(z), 10), np.full(z.shape[1], 3.0), z**2 / 2)


def windows(bins: Bins, length: int) -> list[Bins]:
    return [bins[begin : begin + length] for begin in range(0, len(bins) // length * length, length)]


def test_a_reference_is_cut_into_30_windows_or_more_of_nominal_size() -> None:
    assert [window_rows(rows, 1000) for rows in (0, 29, 30, 29_999, 30_000, 10**6)] == [0, 0, 1, 999, 1000, 1000]


def test_a_numeric_feature_varies_along_its_two_directions(bins: Bins) -> None:
    counts = np.bincount(bins[bins >= 0])
    basis = directions(smoothed(counts))
    found = numeric_dispersion(bins, unsplit(counts, 4000), Cut(4000, 120))
    z: list[list[float]] = [[], []]
    for window in windows(bins, 120):
        present = [int(b) for b in window if b >= 0]
        for k in (0, 1):
            z[k].append(sum(basis[k, b] for b in present) / len(present) ** 0.5)
    assert (found.windows, found.lags) == (33, 4)
    assert same(found, [by_hand(one, 4, 1 + 120 / 4000) for one in z])


def share_by_hand(bins: Bins, level: int, share: float, length: int) -> list[float]:
    z = []
    for window in windows(bins, length):
        rows = sum(1 for b in window if b >= 0)
        z.append((sum(1 for b in window if b == level) - rows * share) / (rows * share * (1 - share)) ** 0.5)
    return z


def test_each_bin_varies_by_its_own_share(bins: Bins) -> None:
    counts = np.bincount(bins[bins >= 0])
    found = bins_dispersion(bins, unsplit(counts, 4000), Cut(4000, 100))
    p = smoothed(counts).tolist()
    assert same(found, [by_hand(share_by_hand(bins, b, p[b], 100), found.lags, 1.025) for b in range(4)])


def test_a_categorical_feature_varies_in_its_five_most_frequent_levels() -> None:
    codes = np.random.default_rng(1).choice(7, 3000, p=[0.04, 0.31, 0.02, 0.2, 0.25, 0.1, 0.08]).astype(np.int64)
    pooled = np.bincount(codes)
    found = level_dispersion(codes, pooled, Cut(3000, 100))
    p = smoothed(pooled).tolist()
    expected = [by_hand(share_by_hand(codes, b, p[b], 100), found.lags, 1 + 1 / 30) for b in (1, 4, 3, 5, 6)]
    assert same(found, expected)


def test_of_windows_all_levels_are_assessed_that_are_not_too_rare_and_of_panes_all() -> None:
    random = np.random.default_rng(2)
    night = np.repeat(np.arange(24 * 40) % 24 < 3, 100)
    codes = random.integers(0, 10, len(night))
    codes[night & (random.random(len(night)) < 0.1)] = 10  # one row in eighty, all of them at night
    pooled, there = np.bincount(codes, minlength=12), hours(np.full(24 * 40, 100))
    of_windows, of_panes = level_dispersion(codes, pooled, Cut(len(codes), 500)), there.panes
    assert len(of_windows.components) == 11
    assert len(level_dispersion(codes, pooled, Cut(len(codes), 100)).components) == 10
    assert of_panes is not None
    found = level_dispersion(codes, pooled, of_panes).components
    assert len(found) == 12
    assert max(part.variance for part in found[:10]) < 1.2
    assert found[10].variance > 5
    assert (found[11].freedom, found[11].tail) == (0, 0)  # never seen


def test_a_rate_varies_by_all_rows_and_needs_20_of_either_kind(bins: Bins) -> None:
    missing = bins < 0
    found = rate_dispersion(missing, Cuts(Cut(4000, 100)))
    assert found is not None
    share = int(missing.sum()) / 4000
    z = [(int(one.sum()) - 100 * share) / (100 * share * (1 - share)) ** 0.5 for one in np.split(missing, 40)]
    assert same(found, [by_hand(z, found.lags, 1.025)])
    for times in (19, 4000 - 19):
        assert rate_dispersion(np.arange(4000) < times, Cuts(Cut(4000, 100))) is None
    for times in (20, 4000 - 20):
        assert rate_dispersion(np.arange(4000) < times, Cuts(Cut(4000, 100))) is not None


@pytest.mark.parametrize(("count", "lags"), [(30, 4), (63, 5), (64, 6), (216, 9), (512, 12), (999, 14), (1000, 15)])
def test_so_many_autocorrelations_as_one_and_a_half_cube_roots(count: int, lags: int) -> None:
    z = np.random.default_rng(0).normal(size=(count, 1))
    assert Cut(count * 10, 10).assess(counted(z)).lags == lags


def test_shorter_windows_are_assessed_too_down_to_20_rows_and_5_occurrences() -> None:
    drawn = np.random.default_rng(0).random(60_000)
    for share, lengths in ((0.5, [200, 40]), (0.04, [200]), (0.98, []), (0.001, [])):
        found = rate_dispersion(drawn < share, Cuts(Cut(60_000, 1000)))
        assert found is not None
        assert [one.windows for one in found.shorter] == [60_000 // length for length in lengths]
    occurs = drawn < 0.5
    [_, shortest] = rate_dispersion(occurs, Cuts(Cut(60_000, 1000))).shorter  # type: ignore[union-attr]
    alone = rate_dispersion(occurs, Cuts(Cut(60_000, 40)))
    assert alone is not None
    assert shortest == alone.model_copy(update={"shorter": ()})


def test_fewer_than_30_windows_say_nothing() -> None:
    codes = np.zeros(29, np.int64)
    for rows in (0, 29):
        cut = Cut(rows, window_rows(rows, 1000))
        found = level_dispersion(codes[:rows], np.array([rows]), cut)
        assert not found.assessed
        assert found.components == ()
    assert Cut(30, 1).assess(counted(np.random.default_rng(0).normal(size=(30, 1)))).assessed


def test_what_never_varies_has_no_dispersion() -> None:
    constant = np.zeros(3000, np.int64)
    found = bins_dispersion(constant, unsplit(np.array([3000]), 3000), Cut(3000, 100))
    assert found.components == (Component(variance=0, long_run=0, dependence=0, freedom=29),)


def test_rows_left_over_at_the_end_are_not_looked_at() -> None:
    cut = Cut(107, 10)
    assert cut.windows == 10
    assert cut.counts(np.r_[np.zeros(100, np.int64), np.ones(7, np.int64)], 2).tolist() == [[10, 0]] * 10


def hours(rows: Bins) -> Cuts:
    """So many rows in each hour."""
    times = np.repeat(np.arange(len(rows)) * 3600 * MICROSECONDS, rows)
    return Cuts(Cut(len(times), 0), PaneCut(times, 3600))


def of_panes(found: Dispersion | None) -> Component:
    assert found is not None
    assert found.panes is not None
    return found.panes.components[0]


def test_panes_are_hours_with_rows_however_many_and_vary_about_what_is_expected() -> None:
    random = np.random.default_rng(4)
    rows = np.where(np.arange(240) % 24 < 8, 0, random.integers(1, 90, 240))
    occurs = random.random(int(rows.sum())) < 0.3
    found, share = of_panes(rate_dispersion(occurs, hours(rows))), occurs.mean()
    z, begin = [], 0
    for count in rows[rows > 0].tolist():
        times = int(occurs[begin : begin + count].sum())
        z.append((times - count * share) / (count * share * (1 - share)) ** 0.5)
        begin += count
    assert found.variance == pytest.approx(sum(one**2 for one in z) / 159 * (1 + 1 / 160))
    assert found.tail == 0


@pytest.mark.parametrize(("every", "day"), [(24, 1000), (168, 1000), (96, 250)])
def test_a_quiet_pane_whose_rows_are_of_another_kind_shows_however_rare_it_is(every: int, day: int) -> None:
    job = np.arange(every * 12) % every == 3
    rows = np.where(job, 150, day)
    share = np.repeat(np.where(job, 0.4, 0.2), rows)
    found = of_panes(rate_dispersion(np.random.default_rng(every).random(len(share)) < share, hours(rows)))
    z2 = 150 * 0.2**2 / (0.2 * 0.8)
    assert found.variance > 1 + 0.5 * z2 / every
    assert found.tail > 0.5 * z2 / (2 * np.log(every))


@pytest.mark.parametrize(("rows", "share"), [(20, 0.005), (20, 0.5), (3, 0.05), (150, 0.02)])
def test_panes_of_few_rows_and_rare_events_do_not_vary_by_chance(rows: int, share: float) -> None:
    random = np.random.default_rng(rows)
    for _ in range(20):
        counts = random.poisson(rows * np.exp(random.normal(size=720)))
        found = of_panes(rate_dispersion(random.random(int(counts.sum())) < share, hours(counts)))
        assert found.variance < 1 + 4.5 * (2 / found.freedom) ** 0.5
        assert found.tail == 0


def test_panes_with_few_rows_on_average_are_taken_together() -> None:
    assert hours(np.full(3000, 2)).panes.windows == 300  # type: ignore[union-attr]
    assert hours(np.full(3000, 20)).panes.windows == 3000  # type: ignore[union-attr]
    assert PaneCut(np.empty(0, np.int64), 60).windows == 0
