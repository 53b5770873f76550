import numpy as np
import pytest

from shared.reference.flats import WINDOW_PAIRS, find_flats, same_means
from shared.reference.panes import MICROSECONDS

HOUR = 3600 * MICROSECONDS


def by_hand(panes: list[dict[int, list[float]]], hours: list[int]) -> list[bool]:
    """Of each pair of panes that follow each other on the clock, whether the later stands still."""
    found = []
    for number in range(1, len(panes)):
        if hours[number] - hours[number - 1] == 1:
            now, before = panes[number], panes[number - 1]
            found.append(
                all(
                    bin_ in before and abs(float(np.mean(values)) - float(np.mean(before[bin_]))) < 1
                    for bin_, values in now.items()
                )
            )
    return found


def drawn(seed: int) -> tuple[list[dict[int, list[float]]], list[int]]:
    """Panes that often repeat the one before, or a part of it; some hours have none."""
    random, panes = np.random.default_rng(seed), [{1: [0.0]}]
    for _ in range(59):
        kind, last = random.integers(0, 4), panes[-1]
        if kind == 0:
            panes.append({bin_: [float(np.mean(values))] * 2 for bin_, values in last.items()})
        elif kind == 1:
            panes.append(dict(list(last.items())[:1]))
        else:
            bins = random.choice(5, random.integers(1, 4), replace=False) + 1
            panes.append({int(bin_): random.integers(0, 6, random.integers(1, 4)).tolist() for bin_ in bins})
    return panes, np.cumsum(random.choice([1, 1, 1, 2, 5], 60)).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_flat_panes_are_found_as_by_hand(seed: int) -> None:
    panes, hours = drawn(seed)
    rows = [
        (hour * HOUR + place, bin_, value)
        for hour, pane in zip(hours, panes, strict=True)
        for place, (bin_, values) in enumerate(pane.items())
        for value in values
    ]
    times, bins, places = (np.array(column) for column in zip(*rows, strict=True))
    found = find_flats(times, bins, places.astype(np.float64), 3600, 61)
    expected = by_hand(panes, hours)
    assert (found.pairs, found.flat) == (len(expected), sum(expected))
    assert 0 < found.flat < found.pairs


def test_a_column_without_values_has_no_pairs() -> None:
    none = np.empty(0, np.int64)
    found = find_flats(none, none, none.astype(np.float64), 3600, 61)
    assert (found.pairs, found.flat, found.dispersion) == (0, 0, None)


def test_how_flat_panes_come_in_runs_is_assessed_over_windows_of_19_pairs() -> None:
    hours = np.arange(40 * WINDOW_PAIRS + 1)
    level = np.where(hours // 100 % 2, 100, hours).astype(np.float64) * 10
    found = find_flats(hours * HOUR, np.ones(len(hours), np.int64), level, 3600, 61)
    assert found.dispersion is not None
    assert found.dispersion.windows == 40
    assert found.dispersion.components[0].variance > 4


@pytest.mark.parametrize(
    ("now", "flat"),
    [
        (([2, 0, 3], [10, 0, -9]), True),
        (([4, 0, 1], [20, 0, -3]), True),  # the same means, of other numbers of rows
        (([2, 0, 0], [10, 0, 0]), True),  # a bin that is empty now says nothing
        (([2, 0, 3], [11, 0, -9]), True),  # half a step
        (([2, 0, 3], [12, 0, -9]), False),  # a step
        (([2, 1, 3], [10, 0, -9]), False),  # a bin that was empty
        (([0, 0, 0], [0, 0, 0]), False),
    ],
)
def test_a_pane_is_flat_if_each_bin_that_has_rows_has_the_mean_it_had(
    now: tuple[list[int], list[int]], flat: bool
) -> None:
    before = (np.array([2, 0, 3]), np.array([10, 0, -9]))
    counts, sums = (np.array(one) for one in now)
    assert bool(same_means(counts, sums, *before)) is flat
