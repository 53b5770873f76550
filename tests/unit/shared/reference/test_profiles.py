import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from shared.features import Rows
from shared.reference import Reference, build_reference
from shared.reference.panes import local_day, microseconds
from tests.unit.shared.reference.data import CATEGORIES, definition, make_rows, make_scores, make_times

LATER = ("day_missing", "importance", "dispersion", "missing_dispersion", "bins_dispersion", "zero_dispersion", "flats")


@cache
def example() -> tuple[Rows, Reference]:
    rows = make_rows(6000, 1)
    return rows, build_reference(rows, make_times(6000), make_scores(6000, 2), definition(), CATEGORIES)


@pytest.mark.parametrize("column", range(4))
def test_coarse_bins_hold_the_rows_between_the_coarse_edges(column: int) -> None:
    rows, reference = example()
    profile, values = reference.numeric[column], rows.numeric[:, column]
    found = np.searchsorted(np.array(profile.coarse_edges, np.float32), values[~np.isnan(values)], side="right")
    assert list(profile.coarse_counts) == np.bincount(found, minlength=len(profile.coarse_edges) + 1).tolist()
    assert min(profile.coarse_counts) > 0
    assert list(profile.coarse) == sorted(profile.coarse)


def shares_by_day(occurs: Any) -> list[float]:
    days = [local_day(time, "America/New_York") for time in microseconds(make_times(6000)).tolist()]
    return [float(np.mean([one for one, at in zip(occurs, days, strict=True) if at == day])) for day in set(days)]


def test_the_days_of_the_reference_are_known_by_what_was_missing_and_by_each_level() -> None:
    rows, reference = example()
    assert reference.numeric[0].day_missing == pytest.approx(max(shares_by_day(np.isnan(rows.numeric[:, 0]))))
    assert reference.numeric[1].day_missing == 0
    carrier, codes = reference.categorical[0], rows.categorical[:, 0]
    assert carrier.day_missing == pytest.approx(max(shares_by_day(codes == -2)))
    for place, code in enumerate(carrier.kept):
        shares = shares_by_day(codes == code)
        assert carrier.day_low[place] == pytest.approx(min(shares))
        assert carrier.day_high[place] == pytest.approx(max(shares))
    rest = shares_by_day(~np.isin(codes, [*carrier.kept, -2]))
    assert (carrier.day_low[-1], carrier.day_high[-1]) == pytest.approx((min(rest), max(rest)))


def test_a_feature_that_the_score_follows_is_the_most_important() -> None:
    rows = make_rows(6000, 1)
    scores = (rows.numeric[:, 2:3] / 4).astype(np.float32)
    built = build_reference(rows, make_times(6000), scores, definition(), CATEGORIES)
    assert built.numeric[2].importance == pytest.approx(1)
    assert all((profile.importance or 0) < 0.1 for profile in (*built.numeric[:2], built.numeric[3]))


def test_what_can_not_be_assessed_is_not() -> None:
    few = build_reference(make_rows(20, 1), make_times(20), make_scores(20, 2), definition(), CATEGORIES)
    assert not any(profile.dispersion.assessed for profile in (*few.columns, *few.categorical))
    missing = make_rows(3000, 1)
    missing.numeric[:, 0] = np.nan
    built = build_reference(missing, make_times(3000), make_scores(3000, 2), definition(), CATEGORIES)
    assert (built.numeric[0].coarse_counts, built.numeric[0].flats.pairs, built.numeric[0].day_missing) == ((0,), 0, 1)


def test_levels_were_chosen_if_more_than_50_had_rows_enough() -> None:
    carrier = example()[1].categorical[0]
    assert len(carrier.kept) < 50
    assert carrier.chosen_from == 0
    counts = (*[30] * 51, 0, 5)
    full = carrier.model_copy(update={"counts": counts, "kept": tuple(range(50)), "unseen": 0})
    assert full.chosen_from == 52
    assert full.model_copy(update={"unseen": 3}).chosen_from == 53


def old_json() -> bytes:
    """As it was written before there were habits and days of levels."""
    told = json.loads(example()[1].to_json())
    told.pop("season", None)
    for profile in (*told["numeric"], *told["scores"], *told["categorical"]):
        for name in LATER:
            profile.pop(name, None)
    for profile in told["categorical"]:
        del profile["day_low"], profile["day_high"]
    return compact(told)


def compact(told: Any) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode()


def test_a_reference_from_before_there_were_habits_is_read_and_keeps_its_digest() -> None:
    old = Reference.from_json(old_json())
    assert compact(json.loads(old.to_json())) == old_json()
    profile = old.numeric[0]
    assert (profile.dispersion.assessed, profile.importance, profile.day_missing) == (False, None, None)
    assert old.numeric[0].counts == example()[1].numeric[0].counts


def test_a_reference_is_read_as_it_was_written() -> None:
    reference = example()[1]
    assert Reference.from_json(reference.to_json()) == reference
    written = json.loads(reference.to_json())["numeric"]
    assert set(LATER) <= {name for profile in written for name in profile}
