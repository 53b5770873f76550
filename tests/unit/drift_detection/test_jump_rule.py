import numpy as np
import pytest

from services.drift_detection.domain.jump_rule import JumpRule, LastSeen, PaneSums, Verdict, standard_deviation
from shared.reference import build_reference
from shared.reference.panes import pane_of_day
from tests.unit.drift_detection.pumps import HOUR, SITES, START, definition, hours, reference

FIRST = int(START.astype(np.int64))
STREAMS = 4  # temp, flow, site and the score
PANES = 720.0


def pane(hour: int, shift: float = 0.0, column: int = 0, rows: int = 30) -> PaneSums:
    """The sums of an hour of the stream, `shift` added to one feature."""
    _, there, scores = hours(hour, 1)
    there = there[slice(0, rows)]
    there.numeric[:, column] += shift
    sketch = reference().empty_sketch()
    sketch.add(there, scores[:rows], reference().measure)
    return PaneSums(FIRST + hour * HOUR, sketch.counts[:2, 1:].sum(axis=1), sketch.sums[:2, 1:].sum(axis=1))


def after(*panes: PaneSums) -> LastSeen:
    seen = LastSeen.nothing(2)
    for one in panes:
        seen = seen.after(one)
    return seen


@pytest.fixture
def rule() -> JumpRule:
    return JumpRule(reference(), PANES)


def test_a_jump_is_judged_by_the_formula(rule: JumpRule) -> None:
    [found] = rule.judge(pane(11, -20), after(pane(10))).alarms
    jumps = reference().numeric[0].jumps
    means = []
    for hour, shift in ((10, 0), (11, -20)):
        low, high = reference().numeric[0].clip.bounds
        values = np.clip(hours(hour, 1)[1].numeric[:, 0].astype(np.float64) + shift, low, high)
        of_day = pane_of_day(FIRST + hour * HOUR, "Europe/Zurich", 3600)
        means.append(values.mean() - (jumps.pane_levels[of_day] or 0))
    z = abs(means[1] - means[0]) / np.sqrt(jumps.within * (2 / 30) + jumps.between[0])
    assert found.name == "temp"
    assert found.statistic == pytest.approx(z, rel=1e-4)
    assert found.effect == pytest.approx(means[1] - means[0], rel=1e-4)
    assert found.threshold == jumps.limit(0.1 / (PANES * STREAMS), 8)
    assert found.evidence == pytest.approx(10 * PANES * STREAMS)


def jumped(rule: JumpRule, z: float) -> PaneSums:
    """An hour after `pane(10)` whose `temp` jumped by just this z."""
    far = pane(11, -20)
    [found] = rule.judge(far, after(pane(10))).alarms
    more = (z - found.statistic) * found.effect / found.statistic / float(reference().measure.step[0])
    return PaneSums(far.start, far.present, far.sums + np.array([round(more * int(far.present[0])), 0]))


def test_an_alarm_needs_a_z_of_8_however_calm_the_reference_was() -> None:
    rule = JumpRule(reference(), panes=1)  # the reference's own tail would set a limit of 2.5
    assert rule.judge(jumped(rule, 7.99), after(pane(10))) == Verdict()
    [found] = rule.judge(jumped(rule, 8.01), after(pane(10))).alarms
    assert (found.name, found.threshold) == ("temp", 8)
    assert found.statistic == pytest.approx(8.01, abs=1e-3)


def test_natural_hours_do_not_alarm(rule: JumpRule) -> None:
    seen = after(pane(0))
    for hour in range(1, 200):
        assert rule.judge(pane(hour), seen) == Verdict()
        seen = seen.after(pane(hour))


def test_the_first_pane_has_nothing_to_be_compared_with(rule: JumpRule) -> None:
    assert rule.judge(pane(0, -20), after()) == Verdict()


def test_a_feature_that_moved_less_is_named_beside_an_alarm_and_only_there(rule: JumpRule) -> None:
    both = pane(11, -20)
    moved = pane(11, 6, column=1)
    sums = PaneSums(both.start, both.present, np.array([both.sums[0], moved.sums[1]]))
    limits = [reference().numeric[1].jumps.limit(alpha, least) for alpha, least in ((0.1 / 2880, 8), (0.05 / 4, 5))]
    alone = rule.judge(PaneSums(both.start, both.present, np.array([pane(11).sums[0], moved.sums[1]])), after(pane(10)))
    assert alone == Verdict()
    verdict = rule.judge(sums, after(pane(10)))
    assert [feature.name for feature in verdict.alarms] == ["temp"]
    [beside] = verdict.also_moved
    assert beside.name == "flow"
    assert limits[1] < beside.statistic <= limits[0]
    assert beside.threshold == limits[1]
    assert beside.evidence == pytest.approx(20 * STREAMS)


def test_an_hour_without_rows_of_a_feature_is_passed_over(rule: JumpRule) -> None:
    gap = PaneSums(FIRST + 11 * HOUR, np.array([0, 30]), np.array([0, 0]))
    seen = after(pane(10), gap)
    assert seen.start.tolist() == [FIRST + 10 * HOUR, FIRST + 11 * HOUR]
    assert "temp" not in rule.judge(gap, after(pane(10))).names
    assert rule.judge(pane(12, -20), seen).names == {"temp"}


def test_few_rows_must_jump_further(rule: JumpRule) -> None:
    many, few = (rule.judge(pane(11, -20, rows=rows), after(pane(10))).alarms for rows in (30, 2))
    assert many[0].statistic > few[0].statistic if few else many


def test_a_reference_with_too_few_panes_judges_nothing_and_says_so() -> None:
    times, rows, scores = hours(-90, 90)
    short = build_reference(rows, times, scores, definition(), {"site": SITES})
    rule = JumpRule(short, PANES)
    assert rule.not_assessed == ("temp", "flow")
    assert rule.judge(pane(11, -20), after(pane(10))) == Verdict()


def test_half_a_standard_deviation_makes_an_alarm_major(rule: JumpRule) -> None:
    alarm = rule.judge(pane(11, -20), after(pane(10))).alarms[0]
    spread = standard_deviation(reference().numeric[0])
    assert spread == pytest.approx(hours(-480, 480)[1].numeric[:, 0].std(), rel=1e-3)
    for factor, major in ((0.49, False), (-0.49, False), (0.51, True), (-0.51, True)):
        assert rule.is_major(Verdict((alarm.model_copy(update={"effect": factor * spread}),))) is major
