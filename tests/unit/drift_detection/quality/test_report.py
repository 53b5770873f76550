from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from services.drift_detection.domain.reports.report import report
from services.drift_detection.domain.windows import window_id
from shared.features import Rows
from shared.reference.panes import moment
from tests.unit.drift_detection.quality.simple import (
    HOUR,
    ROWS,
    START,
    before,
    facts,
    found,
    reference,
    reported,
    rows,
    scores,
    watched,
    window,
)

Values = NDArray[np.float32]


def changed(column: int, change: Callable[[Values], None], count: int = ROWS) -> Rows:
    there = rows(count, 5)
    change(there.numeric[:, column])
    return there


def some(value: float, step: int) -> Callable[[Values], None]:
    def change(values: Values) -> None:
        values[::step] = value

    return change


def test_clean_windows_have_findings_in_one_of_a_hundred_at_most() -> None:
    with_findings = 0
    for hour in range(1_000):
        there = rows(int(np.random.default_rng(hour).poisson(ROWS)), 100 + hour)
        with_findings += bool(reported(there, hour=hour).findings)
    assert with_findings <= 10


def test_a_report_is_that_of_its_window() -> None:
    there, merged = rows(ROWS, 5), window(rows(ROWS, 5), 3)
    told = report(merged, facts(there), 2)
    assert told.window_id == window_id(merged.key, HOUR)
    assert (told.start, told.end) == (moment(START + 3 * HOUR), moment(START + 4 * HOUR))
    assert told.time == told.end
    assert (told.rows, told.revision) == (ROWS, 2)
    assert told.id != report(merged, facts(there), 3).id
    assert [column.name for column in told.columns] == ["heat", "load", "gaps", "site", "score"]
    assert told.low_rows is not None
    assert told.high_rows is not None
    assert told.low_rows < ROWS < told.high_rows
    assert told.not_assessed == ()
    assert told.findings == ()


@pytest.mark.parametrize(
    ("there", "finding"),
    [
        (changed(0, some(np.nan, 20)), ("heat", "missing")),
        (changed(2, some(np.nan, 6)), ("gaps", "missing")),
        (changed(1, some(0, 20)), ("load", "zeros")),
        (changed(0, some(75, 20)), ("heat", "above_range")),
        (changed(0, some(-15, 20)), ("heat", "below_range")),
        (changed(0, some(80.5, 10**6)), ("heat", "above_limit")),
        (changed(0, some(-20.5, 10**6)), ("heat", "below_limit")),
        (changed(1, some(1.25, 1)), ("load", "flat")),
        (
            Rows(rows(ROWS, 5).numeric, np.where(np.arange(ROWS) % 20, 1, -1)[:, None].astype(np.int32)),
            ("site", "unseen"),
        ),
        (
            Rows(rows(ROWS, 5).numeric, np.where(np.arange(ROWS) % 20, 1, -2)[:, None].astype(np.int32)),
            ("site", "missing"),
        ),
        (Rows(rows(ROWS, 5).numeric, np.full((ROWS, 1), 3, np.int32)), ("site", "flat")),
        (rows(ROWS // 2, 5), (None, "few_rows")),
        (rows(ROWS * 2, 5), (None, "many_rows")),
    ],
)
def test_a_fault_is_found_in_its_window_by_name(there: Rows, finding: tuple[str | None, str]) -> None:
    assert finding in found(reported(there))


def test_a_finding_says_what_was_expected_and_the_bound() -> None:
    [finding] = reported(changed(2, some(np.nan, 6))).findings
    assert (finding.feature, finding.kind, finding.severity) == ("gaps", "missing", "major")
    assert finding.value == pytest.approx(1 / 6, abs=0.03)
    assert finding.expected == pytest.approx(0.02, abs=0.002)
    assert finding.high is not None
    assert 0.02 < finding.high < 0.15


def test_a_single_value_beyond_the_definition_is_minor_and_all_are_major_and_come_first() -> None:
    there = changed(0, some(80.5, 10**6))
    there.numeric[:, 1] = 1.25
    told = reported(there).findings
    assert [one.severity for one in told] == sorted((one.severity for one in told), key="major minor".index)
    assert told[0].kind == "flat"


def test_a_score_that_is_stuck_or_missing_is_found() -> None:
    for value, kind in ((0.5, "flat"), (np.nan, "missing")):
        there, merged = rows(ROWS, 5), window(rows(0, 5))
        merged.sketch.add(there, np.full_like(scores(there), value), reference().measure)
        assert ("score", kind) in found(report(merged, facts(there), 0))


def test_rows_that_came_twice_under_other_ids_are_found_whatever_their_number() -> None:
    half = rows(ROWS // 2, 5)
    twice = Rows(np.repeat(half.numeric, 2, axis=0), np.repeat(half.categorical, 2, axis=0))
    assert found(reported(twice)) == [(None, "doubled")]
    almost = Rows(twice.numeric.copy(), twice.categorical)
    almost.numeric[0, 0] += 3
    assert found(reported(almost)) == []


def test_the_rows_of_the_window_before_are_found_again() -> None:
    there = rows(ROWS, 5)
    assert (None, "repeated") in found(reported(there, before(there)))
    assert found(reported(there, before(rows(ROWS, 6)))) == []


def test_a_window_of_few_rows_is_not_called_flat_doubled_or_repeated() -> None:
    there = changed(0, some(20, 1), 6)
    assert {kind for _, kind in found(reported(there, before(there)))} == {"few_rows"}


@pytest.mark.parametrize(
    ("earlier", "now", "late"), [(2, 2, False), (2, 1_000, False), (2, 7_200, True), (7_200, 2, False)]
)
def test_a_feed_that_becomes_later_by_half_a_window_is_found(earlier: float, now: float, late: bool) -> None:
    told = reported(rows(ROWS, 5), before(rows(ROWS, 6), seconds=earlier), seconds=now)
    assert ((None, "late") in found(told)) is late


def test_a_replay_of_years_ago_is_not_late() -> None:
    years = 13 * 365 * 86_400.0
    told = reported(rows(ROWS, 5), before(rows(ROWS, 6), seconds=years), seconds=years)
    assert found(told) == []


def test_rows_that_did_not_fit_are_told_by_reason_also_where_no_others_are() -> None:
    misfits = facts(rows(ROWS, 5))
    misfits.add_misfit("width", 50)
    misfits.add_misfit("definition", 3)
    told = report(window(rows(ROWS, 5)), misfits, 0)
    assert [(one.reason, one.rows) for one in told.misfits] == [("definition", 3), ("width", 50)]
    assert found(told) == [(None, "misfit")]
    nothing = report(window(rows(0, 5)), misfits, 0)
    assert (nothing.rows, nothing.findings[0].kind) == (0, "misfit")


def test_a_canary_takes_its_share_of_the_rows() -> None:
    there = rows(ROWS // 2, 5)
    assert found(report(window(there), facts(there), 0)) == [(None, "few_rows")]
    assert found(report(window(there), facts(there), 0, share=0.5)) == []


def test_an_older_reference_allows_fewer_checks_and_the_report_says_so() -> None:
    old = reference().model_copy(update={"volume": None, "clumps": None})
    there = changed(0, some(np.nan, 2))
    told = report(window(there, known=watched(old)), facts(there), 0)
    assert told.not_assessed == ("columns", "volume")
    assert told.findings == ()
    assert told.columns[0].missing == 0.5
    assert told.expected_rows is None
