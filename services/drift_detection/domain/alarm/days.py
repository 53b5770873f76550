"""The last local days of a champion against the range of the reference's days."""

from collections.abc import Iterable

import numpy as np

from services.drift_detection.domain.state import Sums
from services.drift_detection.domain.watched import Watched
from shared.reference import CategoricalProfile, NumericProfile, Reference, Sketch
from shared.reference.panes import local_day

KEPT = 3  # today, the last whole day, and one more for late rows
_SLACK = 0.01  # a share of missing rows below it is as good as none


def sums_of(sketch: Sketch) -> Sums:
    """What a day adds up, of one pane."""
    return Sums(
        rows=sketch.rows,
        present=sketch.counts[:, 1:].sum(axis=1).tolist(),
        sums=sketch.sums[:, 1:].sum(axis=1).tolist(),
        levels=sketch.levels.tolist(),
    )


def add(total: Sums | None, more: Sums) -> Sums:
    """Both together."""
    if total is None:
        return more
    return Sums(
        rows=total.rows + more.rows,
        present=(np.array(total.present) + more.present).tolist(),
        sums=[a + b for a, b in zip(total.sums, more.sums, strict=True)],
        levels=(np.array(total.levels) + more.levels).tolist(),
    )


def count(days: dict[int, Sums], reference: Reference, start: int, sketch: Sketch) -> None:
    """Add a pane that can't change any more to its day; outdated days are dropped. Changes `days` in place."""
    day = local_day(start, reference.time_zone)
    newest = max(days, default=day)
    if day > newest - KEPT:
        days[day] = add(days.get(day), sums_of(sketch))
    for outdated in [known for known in days if known <= max(newest, day) - KEPT]:
        del days[outdated]


def in_range(watched: Watched, name: str, day: Iterable[Sums]) -> bool:
    """Whether a feature's or score's mean (or mix of categories) over a day lies between those of the reference's days,
    and no more of it is missing than on the worst of them.
    """
    total: Sums | None = None
    for part in day:
        total = add(total, part)
    if total is None or not total.rows:
        return False
    reference = watched.reference
    for column, profile in enumerate(reference.columns):
        if profile.name == name:
            return _number_in_range(reference, column, profile, total)
    for column, levels in enumerate(reference.categorical):
        if levels.name == name:
            return _mix_in_range(levels, total.levels[column], total.rows)
    return True  # not of this bundle's streams


def _number_in_range(reference: Reference, column: int, profile: NumericProfile, day: Sums) -> bool:
    present, worst = day.present[column], profile.day_missing
    if _too_much_missing(1 - present / day.rows, worst):
        return False
    if not present:  # as on a day of the reference, if its days are known
        return worst is not None
    measure = reference.measure
    mean = float(measure.centre[column]) + float(measure.step[column]) * day.sums[column] / present
    return profile.day_low <= mean <= profile.day_high


def _too_much_missing(share: float, worst: float | None) -> bool:
    """References from before their days were known refuse nothing."""
    return worst is not None and share > max(worst, _SLACK)


def _mix_in_range(profile: CategoricalProfile, levels: list[int], rows: int) -> bool:
    missing, *counts = [number / rows for number in levels[: len(profile.levels) + 1]]
    within = all(
        low - _SLACK <= share <= high + _SLACK
        for low, share, high in zip(profile.day_low, counts, profile.day_high, strict=bool(profile.day_low))
    )
    return within and not _too_much_missing(missing, profile.day_missing)
