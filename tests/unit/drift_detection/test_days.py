import numpy as np

from services.drift_detection.domain.days import KEPT, Days
from services.drift_detection.domain.jump_rule import PaneSums
from services.drift_detection.domain.state import Sums
from tests.unit.drift_detection.pumps import HOUR, watched
from tests.unit.drift_detection.test_jump_rule import FIRST, pane

DAY = 24 * HOUR
# START is 01:00 in Zurich: the second local day begins 23 hours later.
SECOND_DAY = FIRST + 23 * HOUR
THIRD_DAY = SECOND_DAY + DAY


def filled(shift: float = -3.0) -> tuple[Days, dict[int, Sums]]:
    """47 hours, which end with the second local day; unshifted, temp is at the top of its range then."""
    sums: dict[int, Sums] = {}
    days = Days(sums)
    for hour in range(47):
        days.replace(watched(), pane(hour, shift), None)
    return days, sums


def test_the_last_whole_local_day_is_judged() -> None:
    days, _ = filled()
    assert days.in_range(watched(), "temp", THIRD_DAY, FIRST)
    shifted, _ = filled(-20)
    assert not shifted.in_range(watched(), "temp", THIRD_DAY, FIRST)


def test_the_day_must_begin_after_the_last_alarm() -> None:
    days, _ = filled()
    assert days.in_range(watched(), "temp", THIRD_DAY, SECOND_DAY)
    assert not days.in_range(watched(), "temp", THIRD_DAY, SECOND_DAY + 1)


def test_a_day_without_rows_says_nothing() -> None:
    days, _ = filled()
    assert not days.in_range(watched(), "temp", THIRD_DAY + DAY, FIRST)
    none = Days({})
    none.replace(watched(), PaneSums(SECOND_DAY, np.array([0, 30]), np.array([0, 0])), None)
    assert not none.in_range(watched(), "temp", THIRD_DAY, FIRST)


def test_revised_sums_replace_those_before() -> None:
    days, sums = filled()
    before = {day: one.model_copy(deep=True) for day, one in sums.items()}
    days.replace(watched(), pane(30, -20), pane(30, -3))
    assert sums != before
    days.replace(watched(), pane(30, -3), pane(30, -20))
    assert sums == before


def test_old_days_are_forgotten_and_rows_for_them_change_nothing() -> None:
    days, sums = filled()
    for hour in range(47, 47 + 24 * 5):
        days.replace(watched(), pane(hour), None)
    assert len(sums) == KEPT
    before = {day: one.model_copy(deep=True) for day, one in sums.items()}
    days.replace(watched(), pane(0), None)
    assert sums == before
