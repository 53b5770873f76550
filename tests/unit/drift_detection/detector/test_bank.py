import numpy as np
import pytest
from numpy.typing import NDArray

from services.drift_detection.domain.detector.bank import Bank
from shared.reference import Sketch
from tests.unit.drift_detection.detector.worlds import FIRST, HOUR, LEVELS, World, run, world

Column = NDArray[np.float64]


def rows(seed: int, count: int, features: int = 2) -> dict[str, Column]:
    drawn = np.random.default_rng(seed).normal(size=(count, features))
    return {f"x{number}": column for number, column in enumerate(drawn.T)}


def codes(seed: int, count: int, features: int = 1) -> dict[str, Column]:
    drawn = np.random.default_rng(seed).integers(0, 4, (count, features))
    return {f"c{number}": column for number, column in enumerate(drawn.T)}


@pytest.fixture(scope="module")
def both() -> World:
    return world(rows(0, 5000), codes(1, 5000))


@pytest.mark.parametrize(("numbers", "levels"), [(2, 0), (0, 2), (1, 1)])
def test_a_model_may_have_features_of_one_kind_only(numbers: int, levels: int) -> None:
    there = world(rows(0, 5000, numbers), codes(1, 5000, levels))
    bank = there.bank()
    quiet = [there.sketch(rows(seed, 500, numbers), codes(seed, 500, levels)) for seed in range(2, 8)]
    assert [step.alarm for step in run(bank, quiet)] == [None] * 6
    moved = {name: values + 3 for name, values in rows(9, 500, numbers).items()}
    constant = {name: np.zeros_like(values) for name, values in codes(9, 500, levels).items()}
    steps = run(bank, [*quiet, *[there.sketch(moved, constant)] * 3])
    named = next(step.alarm.named for step in steps if step.alarm is not None)
    assert named.tolist() == [True] * (numbers + levels)


def test_a_pane_is_counted_by_coarse_bins_levels_and_events(both: World) -> None:
    numbers, levels = rows(5, 400), codes(6, 400)
    numbers["x0"][:7], numbers["x1"][:9], numbers["x1"][9:12] = np.nan, 0, 99
    levels["c0"][:5], levels["c0"][5:9] = -2, -1
    [step] = run(both.bank(), [both.sketch(numbers, levels)])
    numeric, categorical = step.pane
    assert numeric.rows.tolist() == [400, 400]
    assert categorical.rows.tolist() == [400]
    assert numeric.events[:, 0].tolist() == [7, 0]
    assert numeric.events[:, 1].tolist() == [0, 9]
    assert numeric.events[1, 2] >= 3
    assert categorical.events.tolist() == [[5, 0, 0]]
    for column, profile in enumerate(both.reference.numeric):
        values = numbers[profile.name].astype(np.float32)
        found = np.searchsorted(np.array(profile.coarse_edges, np.float32), values[~np.isnan(values)], side="right")
        assert numeric.bins[column].tolist() == np.bincount(found, minlength=20).tolist()
    kept = both.reference.categorical[0].kept
    expected = [int((levels["c0"] == code).sum()) for code in kept]
    assert categorical.bins[0].tolist() == [*expected, 4]


def test_a_pane_without_rows_changes_nothing(both: World) -> None:
    bank = both.bank()
    before = run(bank, [both.sketch(rows(5, 400), codes(6, 400))])[0].after
    for nothing in ({}, {"all": both.reference.empty_sketch()}):
        after = bank.step(before, FIRST + HOUR, nothing).after
        for old, new in zip(before.state, after.state, strict=True):
            for name, array in vars(old).items():
                assert np.array_equal(array, getattr(new, name)), name
        assert all(np.array_equal(array, getattr(after.last, name)) for name, array in vars(before.last).items())


def two_segments(both: World, other: World) -> Bank:
    return Bank({"all": both.reference, "north": other.reference}, 720, 1000)


@pytest.fixture(scope="module")
def narrow() -> World:
    """A segment with levels of its own."""
    return world(rows(10, 3000), {"c0": codes(11, 3000)["c0"] % 2})


def test_segments_share_one_budget_and_are_told_apart(both: World, narrow: World) -> None:
    bank = two_segments(both, narrow)
    assert bank.budget.streams == 6
    assert [bank.segment_of(0, row) for row in range(4)] == ["all", "all", "north", "north"]
    assert [bank.segment_of(1, row) for row in range(2)] == ["all", "north"]
    with pytest.raises(IndexError):
        bank.segment_of(0, 4)


def test_a_segment_absent_from_a_pane_stays_as_it_was(both: World, narrow: World) -> None:
    bank = two_segments(both, narrow)

    def sketches(seed: int) -> dict[str, Sketch]:
        return {
            "all": both.sketch(rows(seed, 300), codes(seed, 300)),
            "north": narrow.sketch(rows(seed, 200), {"c0": codes(seed, 200)["c0"] % 2}),
        }

    first = bank.step(bank.start(), FIRST, sketches(20)).after
    second = bank.step(first, FIRST + HOUR, {"all": sketches(21)["all"]}).after
    for group, mine in ((0, slice(2, 4)), (1, slice(1, 2))):
        theirs = slice(0, mine.start)
        assert np.array_equal(second.state[group].ln_r[mine], first.state[group].ln_r[mine])
        assert not np.array_equal(second.state[group].ln_r[theirs], first.state[group].ln_r[theirs])
    assert second.last.start.tolist() == [FIRST + HOUR] * 2 + [FIRST] * 2
    alone = run(both.bank(), [sketches(20)["all"], sketches(21)["all"]])[-1].after
    assert np.array_equal(second.state[0].recent[:2], alone.state[0].recent)


def test_streams_watched_elsewhere_share_the_budget(both: World) -> None:
    assert both.bank(others=2).budget.streams == both.bank().budget.streams + 2


def test_independent_rows_may_be_calibrated_and_those_in_runs_not(both: World) -> None:
    assert both.bank().calibrated().detector.rule.ln_h is not None
    runs = {name: np.repeat(values[:50], 100) for name, values in rows(0, 5000).items()}
    assert not world(runs, codes(1, 5000)).bank().calibrated().detector.rule.ln_h is not None


def test_rare_levels_and_ones_never_seen_share_the_last_bin() -> None:
    drawn = {"c0": np.r_[np.zeros(900), np.ones(81), np.full(19, 2)]}
    there = world({}, drawn, categories=LEVELS[:4])
    [step] = run(there.bank(), [there.sketch({}, {"c0": [0, 0, 1, 2, 3, -1, -2]})])
    assert step.pane[1].bins.tolist() == [[2, 1, 3]]
    assert step.pane[1].events[0, 0] == 1
