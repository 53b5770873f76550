import numpy as np
import pytest

from services.drift_detection.domain.quality.arrival import arrival
from services.drift_detection.domain.quality.facts import Facts
from shared.errors import Unreadable
from shared.limits import Limits
from tests.unit.drift_detection.quality.simple import SECOND, definition, rows

LIMITS = Limits(definition())


def taken(seed: int, count: int = 50) -> Facts:
    facts, values = Facts.empty(3), rows(count, seed).numeric
    values[::7, 0] = 100
    facts.add(values, np.random.default_rng(seed).integers(-SECOND, 10**6 * SECOND, count), LIMITS)
    facts.add_misfit("width", seed)
    return facts


def test_facts_merge_in_any_order_and_come_back_from_bytes() -> None:
    parts = [taken(seed) for seed in range(4)]
    there, back = Facts.empty(3), Facts.empty(3)
    for part in parts:
        there.merge(part)
    for part in reversed(parts):
        back.merge(part)
    assert there.to_bytes() == back.to_bytes()
    assert Facts.from_bytes(there.to_bytes()).to_bytes() == there.to_bytes()
    assert (int(there.lags.sum()), there.misfits.tolist()) == (200, [0, 0, 6])


def test_only_values_beyond_the_definitions_limits_are_outside_not_those_on_them_or_missing() -> None:
    facts = Facts.empty(3)
    values = np.array([[-20.5], [-20], [80], [80.5], [81], [np.nan]], np.float32)
    facts.add(np.repeat(values, 3, axis=1), np.zeros(6, np.int64), LIMITS)
    assert facts.outside.tolist() == [[1, 0, 0], [2, 0, 0]]


def test_the_median_lag_is_told_to_a_fifth_and_the_greatest_exactly() -> None:
    for seconds in (0.002, 0.5, 3, 60, 4_000, 10**6):
        facts = Facts.empty(3)
        lag = np.array([seconds / 10, seconds, seconds * 20]) * SECOND
        facts.add(rows(3, 1).numeric, np.rint(lag).astype(np.int64), LIMITS)
        told = arrival(facts)
        assert told is not None
        assert told.median_seconds == pytest.approx(seconds, rel=0.2)
        assert told.greatest_seconds == pytest.approx(seconds * 20)


def test_a_lag_beyond_all_classes_or_below_zero_is_told() -> None:
    facts = Facts.empty(3)
    facts.add(rows(1, 1).numeric, np.array([-4 * SECOND]), LIMITS)
    told = arrival(facts)
    assert told is not None
    assert told.median_seconds == told.greatest_seconds == -4
    facts.add(rows(2, 1).numeric, np.full(2, 10**16), LIMITS)
    told = arrival(facts)
    assert told is not None
    assert told.greatest_seconds == 10**10
    assert arrival(Facts.empty(3)) is None


@pytest.mark.parametrize("damage", [b"", b"\x09" + taken(1).to_bytes()[1:], taken(1).to_bytes()[:-4]])
def test_damaged_bytes_are_refused(damage: bytes) -> None:
    with pytest.raises(Unreadable, match="facts"):
        Facts.from_bytes(damage)
