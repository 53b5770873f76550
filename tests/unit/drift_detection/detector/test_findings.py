from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.drift_detection.domain.detector.bank import Bank, Step
from services.drift_detection.domain.detector.detector import Alarm
from services.drift_detection.domain.detector.findings import Findings
from shared.events import DriftedFeature
from shared.features import Rows
from shared.reference import build_reference
from shared.reference.panes import moment
from tests.unit.drift_detection.detector.worlds import FIRST, HOUR, World, run, world
from tests.unit.drift_detection.pumps import SITES, definition, hours, reference

Columns = dict[str, NDArray[Any]]
A = 720.0


def drawn(seed: int, rows: int = 1000) -> Columns:
    random = np.random.default_rng(seed)
    return {"x": random.normal(size=rows), "y": random.normal(size=rows), "c": random.integers(0, 4, rows)}


@cache
def calm() -> World:
    columns = drawn(0, 20_000)
    return world({"x": columns["x"], "y": columns["y"]}, {"c": columns["c"]})


def told(*panes: Columns) -> tuple[tuple[DriftedFeature, ...], tuple[DriftedFeature, ...]]:
    """What the first alarm in these panes names, and what beside it."""
    bank = calm().bank(A)
    steps = run(bank, [calm().sketch({"x": one["x"], "y": one["y"]}, {"c": one["c"]}) for one in panes])
    first = next(step for step in steps if step.alarm is not None)
    findings = Findings(bank)
    return findings.named(first), findings.beside(first)


def from_fifth(change: Columns) -> list[Columns]:
    """Five natural panes, then such in which some columns are replaced."""
    return [drawn(seed) | (change if seed > 5 else {}) for seed in range(1, 12)]


RANDOM = np.random.default_rng(99)
NORMAL = RANDOM.normal(size=1000)


@pytest.mark.parametrize(
    ("name", "values", "rule", "measure"),
    [
        ("x", NORMAL * 0.9 + 0.3, "shift", "d"),
        ("y", NORMAL * 1.25, "spread", "w"),
        ("c", RANDOM.choice(4, 1000, p=[0.4, 0.2, 0.2, 0.2]), "mix", "w"),
        ("x", np.where(RANDOM.random(1000) < 0.04, np.nan, NORMAL), "missing", "h"),
        ("c", np.where(RANDOM.random(1000) < 0.04, -2, RANDOM.integers(0, 4, 1000)), "missing", "h"),
        ("y", np.where(RANDOM.random(1000) < 0.04, 0, NORMAL), "zeros", "h"),
        ("y", np.where(RANDOM.random(1000) < 0.02, 50, NORMAL), "range", "h"),
    ],
)
def test_an_alarm_says_by_which_bet_since_when_and_how_large(
    name: str, values: NDArray[np.float64], rule: str, measure: str
) -> None:
    [found], _ = told(*from_fifth({name: values}))
    assert (found.name, found.rule, found.measure, found.segment) == (name, rule, measure, "all")
    assert found.onset == moment(FIRST + 5 * HOUR)
    assert found.statistic >= found.threshold == pytest.approx(np.log(A * 3))
    assert found.evidence == pytest.approx(np.exp(found.statistic))
    assert (found.size or 0) > 0.02


def test_both_histograms_are_shares_of_the_same_bins() -> None:
    [found], _ = told(*from_fifth({"x": NORMAL + 0.3}))
    profile = calm().reference.numeric[0]
    assert found.edges == profile.coarse_edges
    assert found.expected == pytest.approx(np.array(profile.coarse_counts) / 20_000)
    assert len(found.recent) == len(found.edges) + 1
    assert sum(found.recent) == pytest.approx(1)
    assert found.recent[-1] > found.expected[-1] > found.recent[0]
    assert found.effect == pytest.approx(0.3 * (1 - 0.8**1) / (1 - 0.8**6), abs=0.15)
    [levels], _ = told(*from_fifth({"c": np.zeros(1000)}))
    assert levels.levels == (*"abcd", "rare or unseen") or set(levels.levels) == {*"abcd", "rare or unseen"}
    assert (len(levels.expected), levels.edges) == (5, ())


def test_streams_that_moved_less_are_told_beside() -> None:
    panes = from_fifth({"x": NORMAL + 1, "y": np.random.default_rng(4).normal(0.16, 1, 1000)})
    [named], [beside] = told(*panes)
    assert (named.name, beside.name) == ("x", "y")
    assert beside.threshold == pytest.approx(np.log(20 * 3))
    assert np.log(A * 3) > beside.statistic >= beside.threshold


@pytest.mark.parametrize(
    ("e_values", "named", "needed"),
    [((4, 0.5, 0.1), 1, A * 3), ((1.6, 1.5, 0.1), 2, A * 3 / 2), ((1.4, 1.3, 0.9), 1, A)],
)
def test_the_threshold_told_is_what_the_evidence_of_each_stream_passed(
    e_values: tuple[float, ...], named: int, needed: float
) -> None:
    """One stands out; two do so together and need half of it; or none does, and the largest has A at least."""
    bank = calm().bank(A)
    evidence = np.log(A * np.array(e_values))
    assert bank.detector.rule.alarms(evidence)
    [step] = run(bank, [calm().sketch({"x": NORMAL, "y": NORMAL}, {"c": np.zeros(1000)})])
    alarm = Alarm(bank.detector.rule.judge(evidence)[0], evidence)
    found = Findings(bank).named(replace(step, alarm=alarm))
    assert [one.threshold for one in found] == [pytest.approx(np.log(needed))] * named
    assert all(evidence[:named] >= np.log(needed) - 1e-9)


def test_the_greatest_effect_on_the_most_important_comes_first() -> None:
    columns = drawn(0, 20_000)
    times = np.datetime64("2026-03-01", "us") + np.arange(20_000) * np.timedelta64(30, "s")
    rows = Rows(
        np.column_stack([columns["x"], columns["y"]]).astype(np.float32), (columns["c"][:, None] % 2).astype(np.int32)
    )
    for first, second, weight in ((0, 1, (3, 0.1)), (1, 0, (0.1, 3))):
        scores = (rows.numeric @ np.array(weight, np.float32))[:, None]
        built = build_reference(rows, times, scores, definition(), {"site": SITES})
        bank = World(built, definition().monitoring).bank(A)
        sketch = built.empty_sketch()
        sketch.add(Rows(rows.numeric + 1, rows.categorical), scores, built.measure)
        named = Findings(bank).named(run(bank, [sketch])[0])
        assert [one.name for one in named] == [built.numeric[first].name, built.numeric[second].name]
        assert named[0].importance == pytest.approx(1, abs=0.02)
        assert named[1].importance == pytest.approx(0, abs=0.02)


def jump(shift: float, flow: float = 0.0) -> tuple[Step, Bank]:
    """Hour 11 of the pumps, `temp` and `flow` shifted, after hour 10."""
    built, (_, _, scores) = reference(), hours(-480, 1)
    bank = World(built, definition().monitoring).bank(A)
    sketches = []
    for number, by in ((10, (0.0, 0.0)), (11, (shift, flow))):
        _, there, _ = hours(number, 1)
        sketch = built.empty_sketch()
        sketch.add(Rows(there.numeric + np.array(by, np.float32), there.categorical), scores, built.measure)
        sketches.append(sketch)
    return run(bank, sketches)[-1], bank


def test_a_jump_is_told_by_its_z_in_its_pane() -> None:
    step, bank = jump(-20)
    [found] = Findings(bank).named(step)
    assert (found.name, found.rule, found.measure) == ("temp", "jump", "d")
    assert found.statistic == pytest.approx(float(step.comparison.z[0]))
    assert found.statistic > found.threshold == bank.changes.limits()[0]
    assert found.effect == pytest.approx(-20, abs=2)
    assert found.onset == moment(step.start)
    assert found.evidence >= A * 4 * (1 - 1e-9)


def test_a_feature_that_jumped_less_is_told_beside() -> None:
    step, bank = jump(-20, 6)
    assert [one.name for one in Findings(bank).named(step)] == ["temp"]
    [beside] = Findings(bank).beside(step)
    limits = float(bank.changes.limits(beside=True)[1]), float(bank.changes.limits()[1])
    assert (beside.name, beside.rule, beside.threshold) == ("flow", "jump", limits[0])
    assert limits[0] < beside.statistic <= limits[1]


def test_without_an_alarm_there_is_nothing_to_tell() -> None:
    step, bank = jump(0)
    assert step.alarm is None
    assert (Findings(bank).named(step), Findings(bank).beside(step)) == ((), ())
