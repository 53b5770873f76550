"""The data and the plain rules of the benchmark of drift detectors; the others need an environment of their own."""

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.stats

from benchmarks.drift_peers.compare import WHOLE_SET, Row, by_case, with_ours
from benchmarks.drift_peers.cusum import Cusum, limit, run_length
from benchmarks.drift_peers.data import (
    CASES,
    CHANGES,
    DEVIATION,
    IN_CONTROL,
    LAYOUT,
    MEAN,
    Block,
    Case,
    Layout,
    block,
    shares,
    windows,
)
from benchmarks.drift_peers.job import Answer, Job
from benchmarks.drift_peers.rules import RULES, Plain, rule

FOUR = Layout((*DEVIATION,), (3, 12))


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def one_window(case: Case, rows: int = 20_000, layout: Layout = FOUR) -> Block:
    return next(windows(case, rng(), rows, 1, layout))


def alone(column: list[float]) -> Block:
    return Block(np.array(column, np.float32)[:, None], np.empty((len(column), 0), np.int32))


def levels(column: list[int]) -> Block:
    return Block(np.empty((len(column), 0), np.float32), np.array(column, np.int32)[:, None])


def test_blocks_have_45_numeric_and_5_categorical_features_and_the_same_seed_gives_the_same() -> None:
    first, again = block(rng(), 100), block(rng(), 100)
    assert first.numeric.shape == (100, 45)
    assert first.codes.shape == (100, 5)
    assert first.numeric.dtype == np.float32
    assert first.codes.dtype == np.int32
    assert first.numeric.tobytes() == again.numeric.tobytes()
    assert first.codes.tobytes() == again.codes.tobytes()
    assert LAYOUT.features == 50


@pytest.mark.parametrize(("place", "kind"), [*enumerate(DEVIATION)])
def test_a_kind_has_the_mean_and_deviation_that_its_faults_are_measured_in(place: int, kind: str) -> None:
    column = block(rng(), 200_000, FOUR).numeric[:, place]
    assert column.mean() == pytest.approx(MEAN[kind], abs=0.01)
    assert column.std() == pytest.approx(DEVIATION[kind], rel=0.01)


def test_levels_come_in_their_shares() -> None:
    counts = np.bincount(block(rng(), 200_000, FOUR).codes[:, 1], minlength=12)
    assert counts / counts.sum() == pytest.approx(shares(12), abs=0.005)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_changes_its_feature_alone(case: Case) -> None:
    calm, faulty = one_window(IN_CONTROL, 500), one_window(case, 500)
    numeric = (calm.numeric != faulty.numeric).any(axis=0).tolist()
    codes = (calm.codes != faulty.codes).any(axis=0).tolist()
    assert numeric == [case.change != "category", False, False, False]
    assert codes == [case.change == "category", False]


@pytest.mark.parametrize("place", range(4))
def test_a_shift_and_a_ramp_are_in_deviations_of_their_feature(place: int) -> None:
    deviation = DEVIATION[FOUR.kinds[place]]
    calm = one_window(IN_CONTROL, 100).numeric[:, place]
    moved = one_window(Case("", "shift", 0.5, place), 100).numeric[:, place]
    assert moved - calm == pytest.approx(0.5 * deviation, abs=1e-6)
    third = [*windows(Case("", "ramp", 0.5, place), rng(), 100, 3, FOUR)][2]
    there = [*windows(IN_CONTROL, rng(), 100, 3, FOUR)][2]
    assert (third.numeric - there.numeric)[:, place] == pytest.approx(1.5 * deviation, abs=1e-6)


@pytest.mark.parametrize("place", range(4))
def test_a_change_of_variance_keeps_the_mean(place: int) -> None:
    calm = one_window(IN_CONTROL).numeric[:, place]
    wide = one_window(Case("", "variance", 1.5, place)).numeric[:, place]
    assert wide.var() / calm.var() == pytest.approx(1.5, rel=1e-4)
    assert wide.mean() == pytest.approx(calm.mean(), abs=0.01)


def test_zeros_and_missing_values_are_the_share_that_was_asked_for() -> None:
    zeros = one_window(Case("", "zeros", 0.05)).numeric[:, 0]
    missing = one_window(Case("", "missing", 0.02, 1)).numeric[:, 1]
    assert (zeros == 0).mean() == pytest.approx(0.05, abs=0.005)
    assert np.isnan(missing).mean() == pytest.approx(0.02, abs=0.003)


def test_a_category_moves_by_the_total_variation_that_was_asked_for() -> None:
    moved = one_window(Case("", "category", 0.1, 1), 200_000).codes[:, 1]
    now = np.bincount(moved, minlength=12) / len(moved)
    assert np.abs(now - shares(12)).sum() / 2 == pytest.approx(0.1, abs=0.005)


def test_a_case_alone_has_the_same_fault_in_its_feature_and_no_other() -> None:
    case, layout = Case("", "shift", 0.5, 2).alone(FOUR)
    assert (case.feature, layout) == (0, Layout(("uniform",), ()))
    case, layout = Case("", "category", 0.1, 1).alone(FOUR)
    assert (case.feature, layout) == (0, Layout((), (12,)))


def test_every_case_names_a_change_that_there_is() -> None:
    assert {case.change for case in CASES} <= {*CHANGES}


def test_p_values_are_scipys() -> None:
    reference, window = block(rng(), 3_000, FOUR), one_window(CASES[2], 400)
    found = Plain(reference).p_values(window)
    for place in range(4):
        wanted = scipy.stats.ks_2samp(window.numeric[:, place], reference.numeric[:, place], method="asymp")[1]
        assert found[place] == pytest.approx(wanted, rel=1e-9)
    for place in range(2):
        counts = [np.bincount(rows.codes[:, place], minlength=12) for rows in (window, reference)]
        table = np.array(counts)[:, np.sum(counts, axis=0) > 0]
        assert found[4 + place] == pytest.approx(scipy.stats.chi2_contingency(table, correction=False)[1], rel=1e-9)


def test_missing_values_are_not_compared_and_a_window_of_nothing_else_is_not_flagged() -> None:
    nan = float("nan")
    plain = Plain(alone([*range(1_000), *[nan] * 50]))
    assert plain.p_values(alone([*range(0, 1_000, 10), *[nan] * 500]))[0] > 0.99
    assert math.isnan(plain.p_values(alone([nan, nan]))[0])
    for name in RULES:
        assert [*rule(name, plain, 1)([alone([nan, nan])])] == [[]]


def test_psi_by_hand() -> None:
    plain = Plain(levels([0] * 50 + [1] * 50))
    before, now = np.array([50.5, 50.5, 0.5]) / 101.5, np.array([20.5, 60.5, 20.5]) / 101.5
    wanted = ((now - before) * np.log(now / before)).sum()
    assert plain.psi(levels([0] * 20 + [1] * 60 + [2] * 20))[0] == pytest.approx(wanted, rel=1e-12)


def test_psi_has_ten_equal_bins_of_the_reference() -> None:
    plain = Plain(alone([*range(1_000)]))
    assert plain.psi(alone([*range(1_000)]))[0] == 0
    first_tenth = np.array([1_000.5, *[0.5] * 9]) / 1_005
    assert plain.psi(alone([*range(100)] * 10))[0] == pytest.approx(
        ((first_tenth - 0.1) * np.log(first_tenth / 0.1)).sum()
    )


def test_each_rule_flags_the_feature_that_moved() -> None:
    plain = Plain(block(rng(), 20_000, FOUR))
    for name in RULES:
        assert 0 in next(rule(name, plain, 6)([one_window(Case("", "shift", 1.0), 1_000)])), name


def test_bonferroni_divides_by_all_features_also_where_a_window_holds_one() -> None:
    plain = Plain(alone([*range(10_000)]))
    window = alone([*np.linspace(0, 9_999, 500) ** 1.01])
    assert 0.001 < plain.p_values(window)[0] < 0.05
    assert [*rule("p < 0.05, Bonferroni", plain, 1)([window])] == [[0]]
    assert [*rule("p < 0.05, Bonferroni", plain, 50)([window])] == [[]]


def test_the_run_length_of_cusum_is_that_of_the_tables() -> None:
    # Two-sided, k = 0.5: 168 at h = 4 and 465 at h = 5 (Montgomery, Introduction to Statistical Quality Control).
    assert run_length(4, 0.5) / 2 == pytest.approx(168, rel=0.01)
    assert run_length(5, 0.5) / 2 == pytest.approx(465, rel=0.01)
    # And 1 sd off: 8.38 and 10.4.
    assert run_length(4, 0.5, 1.0) == pytest.approx(8.38, rel=0.01)
    assert run_length(5, 0.5, 1.0) == pytest.approx(10.4, rel=0.01)


def test_the_limit_of_cusum_has_the_rate_that_was_asked_for() -> None:
    h, k, steps = limit(0.8, 0.0, 1e-3), 0.8, 2_000
    z = rng().standard_normal((steps, 2_000))
    up = np.zeros(2_000)
    alarms = 0
    for step in z:
        up = np.maximum(0, up + step - k)
        alarms += int((up >= h).sum())
        up[up >= h] = 0
    assert 2 * alarms / z.size == pytest.approx(1e-3, rel=0.1)


def test_the_limit_grows_with_the_reference_s_error_until_there_is_none() -> None:
    found = [limit(0.8, error, 1e-5) for error in (0.0, 0.1, 0.2, 3.0)]
    assert all(less < more for less, more in pairwise(found))
    assert found[-1] == math.inf


def test_cusum_flags_a_shift_and_begins_anew() -> None:
    cusum = Cusum(block(rng(), 50_000, FOUR), 1_000, FOUR.features)
    assert [*cusum.watch(windows(IN_CONTROL, np.random.default_rng(2), 1_000, 50, FOUR))] == [[]] * 50
    flags = [*cusum.watch(windows(Case("", "shift", 0.1, 1), np.random.default_rng(2), 1_000, 20, FOUR))]
    assert {place for found in flags for place in found} == {1}
    assert flags[0] == []
    assert 2 <= sum(map(bool, flags)) < 10
    flags = [*cusum.watch(windows(Case("", "category", 0.1, 1), np.random.default_rng(2), 1_000, 5, FOUR))]
    assert {place for found in flags for place in found} == {5}


def test_cusum_takes_missing_values_as_not_there() -> None:
    cusum = Cusum(block(rng(), 50_000, FOUR), 1_000, FOUR.features)
    calm = [Block(rows.numeric.copy(), rows.codes.copy()) for rows in windows(IN_CONTROL, rng(), 1_000, 10, FOUR)]
    for rows in calm:
        rows.numeric[:500, 0] = np.nan
        rows.numeric[:, 1] = np.nan
        rows.codes[:300, 0] = -2
    assert [*cusum.watch(calm)] == [[]] * 10


def test_a_run_ends_at_the_first_flag_of_the_watched_feature() -> None:
    case, layout = CASES[3].alone(LAYOUT)
    runs = [list(windows(case, rng(), 1_000, 5, layout)) for _ in range(2)]
    job = Job(block(rng(), 20_000, layout), runs, {"Evidently": 3}, LAYOUT.features, watch=0)
    said = with_ours(job, {"Evidently": Answer("1", 1.0, [[[0]], [[], [0]]])})
    assert said["p < 0.05"].flags == [[[0]], [[0]]]
    assert said[WHOLE_SET].flags == [[[], [], []]] * 2  # one of 50 is not half


def test_half_of_the_features_are_the_whole_set() -> None:
    job = Job(block(rng(), 2_000, FOUR), [[*windows(IN_CONTROL, rng(), 100, 3, FOUR)]], {"Evidently": 3}, 6)
    said = with_ours(job, {"Evidently": Answer("1", 1.0, [[[0, 1], [0, 1, 2], []]])})
    assert said[WHOLE_SET].flags == [[[], [0, 1, 2, 3, 4, 5], []]]


def test_who_could_not_be_asked_says_why_and_has_no_figure() -> None:
    job = Job(block(rng(), 2_000, FOUR), [[*windows(IN_CONTROL, rng(), 100, 1, FOUR)]], {"Evidently": 1}, 6)
    said = with_ours(job, {"Evidently": Answer(error="No module named 'evidently'")})
    assert said["Evidently"].error
    assert WHOLE_SET not in said


def test_the_table_has_a_line_for_each_case_and_shows_what_is_only_a_bound() -> None:
    rows = [
        Row("a", "1", "x", 1_200.5, 3),
        Row("b", "1", "x", 3.5, 3, missed=1),
        Row("a", "1", "y", "never", 3),
    ]
    assert by_case(rows) == [{"case": "x", "a": "1,200.5", "b": "≥ 3.5"}, {"case": "y", "a": "never"}]
