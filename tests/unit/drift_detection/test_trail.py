import numpy as np
import pytest

from services.drift_detection.domain.jump_rule import JumpRule, LastSeen, PaneSums
from services.drift_detection.domain.trail import Trail
from tests.unit.drift_detection.pumps import reference
from tests.unit.drift_detection.test_jump_rule import PANES, pane


@pytest.fixture
def rule() -> JumpRule:
    return JumpRule(reference(), PANES)


def trail_of(*panes: PaneSums) -> Trail:
    trail = Trail(LastSeen.nothing(2))
    for one in panes:
        trail.put(one)
    return trail


def test_panes_in_any_order_are_judged_as_in_theirs(rule: JumpRule) -> None:
    panes = [pane(hour, -20 if hour >= 6 else 0) for hour in range(10)]
    in_order = trail_of(*panes).verdicts(rule, panes[0].start)
    shuffled = trail_of(*(panes[number] for number in np.random.default_rng(1).permutation(10).tolist()))
    assert shuffled.verdicts(rule, panes[0].start) == in_order
    assert [start for start, verdict in in_order.items() if verdict.alarms] == [panes[6].start]


def test_a_pane_that_comes_late_takes_part_in_the_judgement_of_the_next(rule: JumpRule) -> None:
    trail = trail_of(pane(0), pane(2, -20))
    assert trail.verdicts(rule, pane(2).start)[pane(2).start].names == {"temp"}
    trail.put(pane(1, -20))
    found = trail.verdicts(rule, pane(1).start)
    assert {start: verdict.names for start, verdict in found.items()} == {pane(1).start: {"temp"}, pane(2).start: set()}


def test_new_sums_of_a_pane_replace_its_old_ones(rule: JumpRule) -> None:
    trail = trail_of(pane(0), pane(1, -20), pane(2))
    trail.put(pane(1))
    assert not any(verdict.alarms for verdict in trail.verdicts(rule, pane(0).start).values())


def test_forgotten_panes_are_still_what_the_next_is_judged_by(rule: JumpRule) -> None:
    trail = trail_of(*(pane(hour) for hour in range(5)))
    trail.forget(pane(5).start)
    trail.put(pane(5, -20))
    found = trail.verdicts(rule, 0)
    assert {start: verdict.names for start, verdict in found.items()} == {pane(5).start: {"temp"}}
