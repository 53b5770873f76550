"""From a message's rows to sums."""

from dataclasses import replace

import numpy as np
import pytest

from services.drift_detection.domain.rollout.rows import Answers, Ranges, add_failures, add_rows, add_values, stacked
from services.drift_detection.domain.rollout.sums import GRID, PLACE, Sums
from shared.batch import PredictionBatch
from shared.errors import Unreadable
from shared.failures import Failed
from shared.rollout import METRICS, Metric
from tests.unit.drift_detection.rollout.panes import sums
from tests.unit.shared.batches import batch

RANGES = Ranges(objective_us=1_000.0)


def taken(message: PredictionBatch, rows: list[bool] | None = None) -> Sums:
    sums = Sums.empty()
    add_rows(sums, Answers.of(message)[np.array(rows or [True] * len(message))], RANGES)
    return sums


def known(sums: Sums, metric: Metric) -> tuple[int, float]:
    """Rows and sum of a metric, over all groups, in units of its range."""
    place = PLACE[metric]
    return int(sums.rows[place].sum()), int(sums.sums[place].sum()) / GRID


def canary(scores: list[float], latency: list[int]) -> PredictionBatch:
    values = np.array(scores, np.float32)[:, None]
    return replace(batch(len(scores)), scores=values, latency_us=np.array(latency, np.int32), champion_scores=None)


def test_a_canarys_rows_are_sums_of_their_own_values() -> None:
    sums = taken(canary([0.25, 0.5, 0.75], [1_000, 1_001, 500]), [True, True, False])
    assert sums.answered == 2
    assert known(sums, "score") == (2, 0.75)
    assert known(sums, "slow") == (2, 1)
    rows, total = known(sums, "latency")
    assert (rows, round(total, 3)) == (2, 1.2)  # the objective lies at .6 of the range
    assert known(sums, "error") == (2, 0)
    assert known(sums, "loss") == (0, 0)


def test_a_score_that_is_no_number_is_an_error_and_no_score() -> None:
    sums = taken(canary([0.25, np.nan, np.inf], [10, 10, 10]))
    assert (known(sums, "score"), known(sums, "error")) == ((1, 0.25), (3, 2))


def test_a_shadows_score_is_its_difference_from_the_champions_where_both_have_one() -> None:
    message = replace(
        canary([0.25, 0.5, np.nan, 0.1], [10] * 4),
        champion_scores=np.array([[0.75], [0.25], [0.5], [np.nan]], np.float32),
    )
    sums = taken(message)
    assert known(sums, "score") == (2, -0.25)
    assert sums.beside[PLACE["score"]] == GRID
    assert sums.squares[PLACE["score"]] == GRID**2 // 4 + GRID**2 // 16
    assert known(sums, "error") == (4, 1)


@pytest.mark.parametrize("latency", [0, 1, 2**31 - 1])
def test_any_latency_lies_in_its_range(latency: int) -> None:
    rows, total = known(taken(canary([0.5], [latency])), "latency")
    assert (rows, 0 <= total <= 1) == (1, True)


def test_failed_rows_are_errors_and_nothing_else() -> None:
    sums = taken(canary([0.5] * 4, [10] * 4))
    add_failures(sums, Failed(digest="a" * 64, role="canary", until=0, rows={3: 2, 63: 100_000_000}))
    assert known(sums, "error") == (100_000_006, 100_000_002)
    assert int(sums.squares[PLACE["error"]]) == 100_000_002 * GRID**2
    assert [known(sums, metric)[0] for metric in METRICS if metric != "error"] == [4, 4, 4, 0]
    assert sums.answered == 4


def test_a_message_that_tells_no_failures_makes_errors_unknown() -> None:
    message = canary([0.5], [10])
    assert not taken(message).errors_known
    assert taken(replace(message, meta=replace(message.meta, failed=()))).errors_known


def test_messages_counted_together_are_as_counted_one_by_one() -> None:
    alone = [canary([0.25, np.nan, 0.5], [10, 5_000, 10]), canary([0.75], [70])]
    messages = [alone[0], batch(9), alone[1], replace(batch(4), meta=replace(batch(1).meta, failed=()))]
    together, one_by_one = Sums.empty(), Sums.empty()
    for message in messages:
        add_rows(one_by_one, Answers.of(message), RANGES)
    for answers in stacked([Answers.of(message) for message in messages]):
        add_rows(together, answers, RANGES)
    assert together.to_bytes() == one_by_one.to_bytes()
    assert together.answered == 17


def test_losses_that_are_missing_count_for_nothing() -> None:
    sums = Sums.empty()
    chosen = np.array([1, 2, 3])
    add_values(sums, "loss", chosen, (np.array([0.5, np.nan, 7.0]), None), RANGES)
    assert known(sums, "loss") == (2, 1.5)


def test_sums_come_back_from_their_bytes_and_damaged_ones_are_refused() -> None:
    there = sums("score", [0.25, 0.5, 1.0])
    there.errors_known = False
    again = Sums.from_bytes(there.to_bytes())
    assert again.to_bytes() == there.to_bytes()
    assert (again.answered, again.errors_known, again.is_empty) == (3, False, False)
    assert Sums.empty().is_empty
    for damaged in (b"", there.to_bytes()[:-3], b"\2" + there.to_bytes()[1:]):
        with pytest.raises(Unreadable):
            Sums.from_bytes(damaged)


def test_metrics_on_other_ranges_are_left_out() -> None:
    one, other = Ranges(), Ranges(objective_us=20_000)
    assert one.apart(other) == ["latency", "slow"]
    there = sums("latency", [0.5, 0.25])
    left = there.without(one.apart(other))
    assert (left.answered, left.rows.sum(), there.rows.sum()) == (2, 0, 2)
