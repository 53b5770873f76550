from typing import get_args

import pytest

from services.drift_detection.domain.alarm.incidents import IncidentBook
from services.drift_detection.domain.explain.explanation import explain
from services.drift_detection.domain.explain.segments import moved_segments
from services.drift_detection.domain.explain.sides import Side, Sides
from services.drift_detection.domain.explain.words import feature_lines, histogram_changes
from services.drift_detection.domain.state import Incident
from shared.events import DriftedFeature, DriftRule
from tests.unit.drift_detection.pumps import DIGEST, HOUR, hours, reference


def told(name: str, **more: object) -> DriftedFeature:
    fields = {"name": name, "rule": "shift", "statistic": 9, "threshold": 5, "evidence": 9, "effect": 1}
    return DriftedFeature.model_validate(fields | more)


def incident(*features: DriftedFeature, moved: tuple[DriftedFeature, ...] = ()) -> Incident:
    return Incident(
        incident_id="ab" * 16,
        digest=DIGEST,
        opened=5 * HOUR,
        onset=4 * HOUR,
        last_alarm=9 * HOUR,
        severity="minor",
        features={one.stream: one for one in features},
        also_moved={one.stream: one for one in moved},
        windows={4 * HOUR: ["temp"]},
    )


def sides(fault: float) -> Sides:
    """A hundred hours before and after, the fault at the site in the south."""
    parts = []
    for first in (0, 100):
        _, rows, scores = hours(first, 100)
        if first:
            rows.numeric[rows.categorical[:, 0] == 1, 1] += fault
        parts.append(Side(rows, scores))
    return Sides(*parts)


def test_features_come_by_effect_times_importance_and_those_of_no_importance_by_effect() -> None:
    features = [
        told("flow", size=3.0),
        told("temp", size=0.5, importance=0.4),
        told("site", size=4.0, rule="mix"),
        told("pumps", size=0.9, importance=0.1),
    ]
    found = explain("pumps", incident(*features), None, "no log")
    assert [one.told.name for one in found.features] == ["temp", "pumps", "site", "flow"]
    assert [round(one.weight, 3) for one in found.features] == [0.2, 0.09, 0.0, 0.0]


def test_a_slice_is_told_with_its_rows_and_changes() -> None:
    found = explain("pumps", incident(told("flow")), reference(), sides(2))
    [one] = found.features[0].slices
    assert (one.name, found.slices_from, found.why) == ("site=south", "feature_log", None)
    assert one.rows_before + one.rows_after > 2_000
    assert abs(one.change_inside - one.change_outside - 2) < 0.1
    assert f"slices: {found.looked_at} looked at" in found.lines[-1]
    assert any("in site=south: mean of flow changed by" in line for line in found.lines)


def test_a_change_that_is_everywhere_alike_is_told_as_that() -> None:
    both = sides(0)
    both.after.rows.numeric[:, 1] += 2
    found = explain("pumps", incident(told("flow")), reference(), both)
    assert (found.features[0].slices, found.features[0].searched) == ([], True)
    assert "  everywhere alike" in found.lines


def test_without_rows_the_monitored_segments_are_told_and_why() -> None:
    features = told("flow", segment="site=north", evidence=20), told("flow", segment="site=south", evidence=40)
    found = explain("pumps", incident(features[0], moved=features[1:]), reference(), "there is no table")
    assert (found.slices_from, found.why, found.looked_at) == ("segments", "there is no table", 0)
    assert found.segments == ["site=south", "site=north"]
    assert found.features[0].searched is False
    assert "everywhere alike" not in "".join(found.lines)
    assert "there is no table" in found.lines[-1]


def test_too_few_rows_are_a_reason_too() -> None:
    _, rows, scores = hours(0, 1)
    few = Side(rows, scores)
    assert explain("pumps", incident(told("flow")), reference(), Sides(few, few)).why == (
        "too few rows on one side of the onset"
    )


@pytest.mark.parametrize("rule", get_args(DriftRule))
def test_every_rule_is_said_in_words(rule: DriftRule) -> None:
    [line] = feature_lines(told("temp", rule=rule), [])
    assert line.startswith("temp: ")


def test_the_risk_that_alarmed_is_told_and_the_features_beside_it_are_searched() -> None:
    risk = told("risk", rule="risk", effect=0.05, size=0.1, measure="d")
    found = explain("pumps", incident(risk, told("flow")), reference(), sides(2))
    assert [(one.told.name, one.searched) for one in found.features] == [("risk", False), ("flow", True)]
    assert any(line.startswith("risk: the model's loss rose by 0.05, d = 0.10") for line in found.lines)
    alone = explain("pumps", incident(risk), reference(), sides(2))
    assert alone.why == "no feature alarmed that rows can tell of"


def test_the_slice_of_an_incident_that_ended_is_told_as_while_it_was_open() -> None:
    both = sides(0)
    inside = both.after.rows.categorical[:, 0] == 1
    both.after.rows.numeric[inside, 1] = 5.9
    bins: dict[str, object] = {
        "edges": (4, 5.8, 6),
        "expected": (0.1, 0.8, 0.05, 0.05),
        "recent": (0.1, 0.4, 0.45, 0.05),
    }
    beside = [told(f"flow_{number}", size=2.0 - number / 10, **bins) for number in range(5)]
    book = IncidentBook("pumps", [incident(*beside[3:], told("flow", rule="shape", size=3.0, **bins), *beside[:3])])
    opened = explain("pumps", book.incidents[0], reference(), both)
    book.champion_changed("b" * 64, 10 * HOUR)
    ended = explain("pumps", book.incidents[0], reference(), both)
    assert [one.name for one in opened.features[0].slices] == ["site=south"]
    assert ended.features[0].slices == opened.features[0].slices
    assert [bool(one.told.recent) for one in ended.features] == [True] * 3 + [False] * 3


def test_what_became_more_frequent_is_not_searched_where_it_is_not_known() -> None:
    found = explain("pumps", incident(told("flow", rule="shape")), reference(), sides(2))
    assert (found.features[0].searched, found.features[0].slices) == (False, [])


def test_segments_are_named_once_and_all_rows_never() -> None:
    features = [told("temp"), told("temp", segment="site=north"), told("flow", segment="site=north")]
    assert moved_segments(features) == ("site=north",)


def test_the_greatest_changes_of_a_histogram_come_first() -> None:
    number = told("temp", edges=(10, 20), expected=(0.2, 0.3, 0.5), recent=(0.7, 0.25, 0.05))
    assert histogram_changes(number) == [
        "temp < 10: 20.0% -> 70.0%",
        "temp >= 20: 50.0% -> 5.0%",
        "10 <= temp < 20: 30.0% -> 25.0%",
    ]
    levels = told("site", levels=("north", "rare or unseen"), expected=(1.0, 0.0), recent=(0.875, 0.125))
    assert histogram_changes(levels) == ["site=north: 100.0% -> 87.5%", "site rare or unseen: 0.0% -> 12.5%"]
