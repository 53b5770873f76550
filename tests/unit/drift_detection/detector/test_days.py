from functools import cache

import numpy as np
import pytest

from services.drift_detection.domain.alarm.days import KEPT, add, count, in_range, sums_of
from services.drift_detection.domain.alarm.trail import Trail
from services.drift_detection.domain.state import Sums
from services.drift_detection.domain.watched import Watched
from shared.features import Rows
from shared.reference import Sketch, build_reference
from shared.reference.segments import ALL
from tests.unit.drift_detection.detector.worlds import FIRST, changed
from tests.unit.drift_detection.pumps import DIGEST, HOUR, SITES, definition, hours, watched

DAY = 24 * HOUR
# FIRST is 01:00 in Zurich: the second local day begins 23 hours later.
SECOND_DAY = FIRST + 23 * HOUR
THIRD_DAY = SECOND_DAY + DAY


def sketch(first: int, count: int = 1, shift: float = 0.0, missing: int = 0, codes: int | None = None) -> Sketch:
    """Of so many hours of the pumps; the first rows of each thirty have no temp, all of them this code."""
    _, rows, scores = hours(first, count)
    rows.numeric[:, 0] += shift
    rows.numeric[np.arange(len(rows)) % 30 < missing, 0] = np.nan
    if codes is not None:
        rows.categorical[:] = codes
    made = watched().reference.empty_sketch()
    made.add(rows, scores, watched().reference.measure)
    return made


def day(hour: int = 24, **change: float) -> list[Sums]:
    """A day of the range that the reference's days have, or changed."""
    settings = {"shift": -3.0, **change}
    return [sums_of(sketch(hour, 24, settings["shift"], int(settings.get("missing", 0))))]


def test_a_numbers_mean_is_held_against_those_of_the_references_days() -> None:
    profile = watched().reference.numeric[0]
    means = {shift: float(hours(24, 24)[1].numeric[:, 0].mean()) + shift for shift in (-20, -3, 20)}
    for shift, mean in means.items():
        assert in_range(watched(), "temp", day(shift=shift)) is (profile.day_low <= mean <= profile.day_high)
    assert [in_range(watched(), "temp", day(shift=shift)) for shift in means] == [False, True, False]


def test_a_score_is_held_against_its_days_too() -> None:
    assert in_range(watched(), "score", [sums_of(sketch(0, 24))])
    low = sketch(0, 24)
    low.sums[2] -= 5_000_000
    assert not in_range(watched(), "score", [sums_of(low)])


def test_a_category_is_held_against_its_share_on_the_references_days() -> None:
    assert in_range(watched(), "site", day())
    assert not in_range(watched(), "site", [sums_of(sketch(24, 24, codes=0))])
    assert not in_range(watched(), "site", [sums_of(sketch(24, 24, codes=-1))])


def test_a_day_on_which_more_is_missing_than_on_the_worst_is_not_in_range() -> None:
    assert not in_range(watched(), "temp", day(missing=1))
    assert in_range(watched(), "flow", day(missing=1))
    assert not in_range(watched(), "site", [sums_of(sketch(24, 24, codes=-2))])


@cache
def gappy(missing: int) -> Watched:
    """The pumps, with no temp in some of each thirty rows of the reference."""
    times, rows, scores = hours(-480, 480)
    rows.numeric[np.arange(len(rows)) % 30 < missing, 0] = np.nan
    return Watched(DIGEST, definition(), build_reference(rows, times, scores, definition(), {"site": SITES}))


def test_what_is_missing_from_the_references_days_may_be_missing() -> None:
    there = gappy(3)
    _, rows, scores = hours(24, 24)
    for missing, fine in ((3, True), (4, False)):
        made = there.reference.empty_sketch()
        numeric = rows.numeric - np.array([3, 0], np.float32)
        numeric[np.arange(len(rows)) % 30 < missing, 0] = np.nan
        made.add(Rows(numeric, rows.categorical), scores, there.reference.measure)
        assert in_range(there, "temp", [sums_of(made)]) is fine


def test_a_feature_never_seen_is_in_range_when_it_is_gone_again() -> None:
    there = gappy(30)
    _, rows, scores = hours(24, 24)
    for value, fine in ((np.nan, True), (7, False)):
        made = there.reference.empty_sketch()
        numeric = rows.numeric.copy()
        numeric[:, 0] = value
        made.add(Rows(numeric, rows.categorical), scores, there.reference.measure)
        assert in_range(there, "temp", [sums_of(made)]) is fine


def test_a_reference_from_before_its_days_were_known_refuses_means_only() -> None:
    reference = watched().reference
    temp, flow = (one.model_copy(update={"day_missing": None}) for one in reference.numeric)
    site = reference.categorical[0].model_copy(update={"day_low": (), "day_high": (), "day_missing": None})
    old = Watched(DIGEST, definition(), changed(reference, numeric=(temp, flow), categorical=(site,)))
    assert in_range(old, "temp", day(missing=9))
    assert not in_range(old, "temp", day(shift=-20))
    assert not in_range(old, "temp", day(missing=30))
    assert in_range(old, "site", [sums_of(sketch(24, 24, codes=0))])


def test_a_day_without_rows_says_nothing() -> None:
    assert not in_range(watched(), "temp", [])
    assert not in_range(watched(), "temp", [sums_of(watched().reference.empty_sketch())])


def test_what_is_no_stream_of_the_bundle_holds_nothing_up() -> None:
    assert in_range(watched(), "of an earlier bundle", day())


def test_parts_of_a_day_add_up_to_it() -> None:
    whole, total = sums_of(sketch(24, 24)), None
    for hour in range(24, 48):
        total = add(total, sums_of(sketch(hour)))
    assert total == whole


def test_days_are_counted_by_the_clock_of_the_business_and_old_ones_dropped() -> None:
    days: dict[int, Sums] = {}
    for hour in range(24 * 6):
        count(days, watched().reference, FIRST + hour * HOUR, sketch(hour))
    assert len(days) == KEPT
    assert [one.rows for _, one in sorted(days.items())] == [24 * 30, 24 * 30, 30]
    before = {number: one.model_copy(deep=True) for number, one in days.items()}
    count(days, watched().reference, FIRST, sketch(0))
    assert days == before


def filled(shift: float = -3.0, kept_from: int = 0) -> tuple[Trail, dict[int, Sums]]:
    """47 hours, which end with the second local day; those before `kept_from` can't change any more."""
    trail = Trail(watched(), watched().bank.start())
    days: dict[int, Sums] = {}
    for hour in range(47):
        trail.put(FIRST + hour * HOUR, ALL, sketch(hour, shift=shift))
    for pane in trail.forget(FIRST + kept_from * HOUR):
        count(days, watched().reference, pane.start, pane.sketches[ALL])
    return trail, days


@pytest.mark.parametrize("kept_from", [0, 23, 30, 47])
def test_the_last_whole_local_day_is_judged_wherever_its_panes_are(kept_from: int) -> None:
    for shift, fine in ((-3, True), (-20, False)):
        trail, days = filled(shift, kept_from)
        assert trail.yesterday_in_range(days, "temp", THIRD_DAY, FIRST) is fine


def test_the_day_must_begin_after_the_last_alarm() -> None:
    trail, days = filled()
    assert trail.yesterday_in_range(days, "temp", THIRD_DAY, SECOND_DAY)
    assert not trail.yesterday_in_range(days, "temp", THIRD_DAY, SECOND_DAY + 1)
    assert not trail.yesterday_in_range(days, "temp", THIRD_DAY + DAY, FIRST)
