from typing import Any

import numpy as np
import pytest

from services.drift_detection.domain.alarm.trail import Trail, Verdict
from services.drift_detection.domain.detector.bank import Bank, Memory, Step
from services.drift_detection.domain.detector.memory import pack, unpack
from shared.reference import Sketch
from shared.reference.segments import ALL
from tests.unit.drift_detection.detector.worlds import FIRST
from tests.unit.drift_detection.pumps import HOUR, hours, watched

Pane = tuple[int, Sketch]


def pane(hour: int, shift: float = 0.0) -> Pane:
    """An hour of the pumps, `shift` added to temp."""
    _, rows, scores = hours(hour, 1)
    rows.numeric[:, 0] += shift
    sketch = watched().reference.empty_sketch()
    sketch.add(rows, scores, watched().reference.measure)
    return FIRST + hour * HOUR, sketch


def trail_of(*panes: Pane, base: Memory | None = None) -> Trail:
    trail = Trail(watched(), base or watched().bank.start())
    for start, sketch in panes:
        trail.put(start, ALL, sketch)
    return trail


def verdicts(trail: Trail, since: int = 0, before: int | None = None) -> dict[int, Verdict]:
    return dict(trail.verdicts(since, before))


def alarmed(found: dict[int, Verdict]) -> dict[int, set[str]]:
    """What alarmed, by hour."""
    return {(start - FIRST) // HOUR: set(verdict.names) for start, verdict in found.items() if verdict.alarms}


def test_panes_in_any_order_are_judged_as_in_theirs() -> None:
    panes = [pane(hour, -20 if hour >= 6 else 0) for hour in range(10)]
    in_order = verdicts(trail_of(*panes))
    assert alarmed(in_order) == {6: {"temp"}}
    for seed in range(3):
        shuffled = [panes[number] for number in np.random.default_rng(seed).permutation(10).tolist()]
        assert verdicts(trail_of(*shuffled)) == in_order
        trail = trail_of()
        for number, (start, sketch) in enumerate(shuffled):  # judged after each, so that much is known and outdated
            trail.put(start, ALL, sketch)
            assert len(verdicts(trail, start)) == sum(other >= start for other, _ in shuffled[: number + 1])
        assert verdicts(trail) == in_order


def test_a_pane_that_comes_late_takes_part_in_the_judgement_of_the_next() -> None:
    trail = trail_of(pane(0), pane(2, -20))
    assert alarmed(verdicts(trail)) == {2: {"temp"}}
    trail.put(*_with_segment(pane(1, -20)))
    assert alarmed(verdicts(trail, pane(1)[0])) == {1: {"temp"}}


def _with_segment(one: Pane) -> tuple[int, str, Sketch]:
    return one[0], ALL, one[1]


def test_new_rows_of_a_pane_replace_its_old_ones() -> None:
    trail = trail_of(pane(0), pane(1, -20), pane(2))
    assert alarmed(verdicts(trail))
    trail.put(*_with_segment(pane(1)))
    assert verdicts(trail) == verdicts(trail_of(pane(0), pane(1), pane(2)))
    assert not alarmed(verdicts(trail))


def test_only_the_panes_asked_for_are_told() -> None:
    trail = trail_of(*(pane(hour) for hour in range(6)))
    assert list(verdicts(trail, pane(2)[0], pane(4)[0])) == [pane(2)[0], pane(3)[0]]
    assert list(verdicts(trail, pane(2)[0] + 1)) == [pane(hour)[0] for hour in (3, 4, 5)]
    assert trail.has(pane(2)[0], ALL)
    assert not trail.has(pane(2)[0], "north")
    assert not trail.has(pane(6)[0], ALL)


def test_forgotten_panes_are_still_what_the_next_is_judged_by() -> None:
    trail = trail_of(*(pane(hour) for hour in range(5)))
    assert [one.start for one in trail.forget(pane(5)[0])] == [pane(hour)[0] for hour in range(5)]
    trail.put(*_with_segment(pane(5, -20)))
    assert alarmed(verdicts(trail)) == {5: {"temp"}}
    assert list(verdicts(trail)) == [pane(5)[0]]


@pytest.mark.parametrize("forgotten", range(9))
def test_what_is_forgotten_or_restored_at_any_time_changes_no_later_verdict(forgotten: int) -> None:
    panes = [pane(hour, -20 if hour in (4, 7) else 0) for hour in range(9)]
    straight = verdicts(trail_of(*panes))
    assert len(alarmed(straight)) > 2
    for judged in (False, True):
        trail = trail_of(*panes)
        if judged:
            verdicts(trail)
        trail.forget(panes[forgotten][0])
        later = {start: verdict for start, verdict in straight.items() if start >= panes[forgotten][0]}
        assert verdicts(trail) == later
        restored = trail_of(*panes[forgotten:], base=unpack(pack(trail.base), watched().bank))
        assert verdicts(restored) == later


class Counting(Bank):
    """Counts its steps."""

    steps = 0

    def step(self, memory: Memory, start: int, sketches: Any) -> Step:
        self.steps += 1
        return super().step(memory, start, sketches)


def test_panes_that_are_kept_are_not_gone_through_again_for_each_that_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = watched("f" * 64)
    bank = Counting({ALL: bundle.reference}, bundle.definition.monitoring.panes_per_period, 1000)
    monkeypatch.setitem(vars(bundle), "bank", bank)
    trail = Trail(bundle, bank.start())
    for hour in range(30):
        start, sketch = pane(hour)
        trail.put(start, ALL, sketch)
        verdicts(trail, start)
        trail.forget(start - 5 * HOUR)
    assert bank.steps <= 2 * 30
