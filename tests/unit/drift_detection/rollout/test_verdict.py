"""Better, worse or not yet, and when that is told."""

from dataclasses import replace
from datetime import timedelta
from itertools import accumulate, pairwise

import pytest

from services.drift_detection.domain.rollout.announce import Pair, compared, is_news
from services.drift_detection.domain.rollout.comparison import Pane, Sofar
from services.drift_detection.domain.rollout.evidence import Evidence
from services.drift_detection.domain.rollout.rows import Ranges
from services.drift_detection.domain.rollout.sums import Sums
from services.drift_detection.domain.rollout.verdict import judge
from shared.events import MetricCompared, RolloutCompared
from shared.rollout import Metric, Rollout
from tests.unit.drift_detection.rollout.panes import MINUTE, noisy

PAIR = Pair("flights", "a" * 64, "b" * 64, "canary", Ranges(score=(0.0, 10.0)), Rollout(margins={"score": 0.5}))
ENOUGH = (500, 500)


def metric(name: Metric, band: tuple[float, float] | None, margin: float | None = 0.01) -> MetricCompared:
    lower, upper = band or (None, None)
    known = None if lower is None or upper is None else (lower + upper) / 2
    return MetricCompared(
        name=name,
        rows=600,
        champion_rows=600,
        champion=0.5,
        version=0.5,
        difference=known,
        lower=lower,
        upper=upper,
        dispersion=1.0,
        margin=margin,
    )


def story(panes: list[Pane]) -> list[RolloutCompared]:
    """What could be told after each pane."""
    design = PAIR.design
    sofar = accumulate(panes, lambda before, pane: before.after(pane, design), initial=Sofar(Evidence.nothing()))
    told = [compared(PAIR, one, number * MINUTE, None) for number, one in enumerate(sofar)]
    return [event for event in told if event is not None]


@pytest.mark.parametrize(
    ("band", "verdict"),
    [((-0.5, 0.01), "better"), ((-0.5, 0.011), "not_yet"), ((0.01, 0.5), "not_yet"), ((0.0101, 0.5), "worse")],
)
def test_a_margin_is_surely_kept_surely_broken_or_neither(band: tuple[float, float], verdict: str) -> None:
    assert judge([metric("error", band)], ENOUGH, Rollout(margins={"error": 0.01}))[0] == verdict


def test_one_metric_that_is_surely_worse_decides_whatever_the_others_say() -> None:
    metrics = [metric("error", (0.02, 0.5)), metric("loss", None), metric("slow", (-0.5, -0.4))]
    verdict, why = judge(metrics, (20, 20), Rollout())
    assert (verdict, why) == ("worse", "error is surely over its margin of 0.01: by 0.02 or more")


def test_a_stated_metric_that_is_not_known_keeps_it_at_not_yet_and_another_does_not() -> None:
    good = metric("error", (-0.01, 0.001))
    assert judge([good, metric("loss", None)], ENOUGH, Rollout()) == ("not_yet", "loss is not known yet")
    assert judge([good, metric("loss", None, margin=None)], ENOUGH, Rollout())[0] == "better"
    assert judge([good, metric("loss", (0.5, 0.9), margin=None)], ENOUGH, Rollout())[0] == "better"


def test_better_needs_rows_on_both_sides_and_a_gain_where_one_is_asked_for() -> None:
    wanted = Rollout(margins={"error": 0.01, "loss": 0.01}, better_in="loss")
    error = metric("error", (-0.01, 0.001))
    assert judge([error, metric("loss", (-0.3, -0.1))], (499, 9_999), wanted) == ("not_yet", "499 rows of 500")
    assert judge([error, metric("loss", (-0.3, 0.0))], ENOUGH, wanted)[0] == "not_yet"
    assert judge([error, metric("loss", (-0.3, -0.1))], ENOUGH, wanted)[0] == "better"


@pytest.mark.parametrize(("band", "verdict"), [((-0.3, -0.02), "worse"), ((-0.02, 0.0), "not_yet")])
def test_a_score_that_falls_is_as_much_of_a_harm_as_one_that_rises(band: tuple[float, float], verdict: str) -> None:
    assert judge([metric("score", band)], ENOUGH, Rollout(margins={"score": 0.01}))[0] == verdict


def test_differences_are_told_in_the_scores_unit() -> None:
    last = story(noisy("score", 200, (0.6, 0.5)))[-1]
    score = last.metrics[0]
    assert (score.champion, score.version, score.difference) == pytest.approx((5, 6, 1), abs=0.05)
    assert last.verdict == "worse"
    assert "score is surely over its margin of 0.5" in last.why
    assert (last.rows, last.champion_rows) == (4_000, 16_000)
    assert [one.lower for one in last.metrics[1:]] == [None] * 4


def test_equal_versions_become_better_once_the_margin_is_surely_kept_and_never_worse() -> None:
    verdicts = [event.verdict for event in story(noisy("score", 200, (0.5, 0.5)))]
    assert verdicts[0] == "not_yet"
    assert verdicts[-1] == "better"
    assert "worse" not in verdicts


def test_it_is_told_once_an_hour_at_most_unless_the_verdict_changes() -> None:
    told: list[RolloutCompared] = []
    for event in story(noisy("score", 300, (0.5, 0.5))):
        if is_news(told[-1] if told else None, event):
            told.append(event)
    changes = [(before, after) for before, after in pairwise(told) if before.verdict == after.verdict]
    assert all(after.end - before.end >= timedelta(hours=1) for before, after in changes)
    assert 2 < len(told) < 8


def test_a_band_that_did_not_move_is_no_news() -> None:
    event = story(noisy("score", 60, (0.5, 0.5)))[-1]
    later = event.model_copy(update={"end": event.end + timedelta(hours=9)})
    assert not is_news(event, later)
    assert is_news(event, later.model_copy(update={"verdict": "worse"}))
    assert is_news(event, later.model_copy(update={"comparison_id": "0" * 32}))


def test_ids_hang_on_what_is_compared_and_when_and_a_second_word_on_the_same_time_is_a_revision() -> None:
    panes = noisy("score", 30, (0.5, 0.5))
    first, again = story(panes), story(panes)
    assert [event.id for event in first] == [event.id for event in again]
    assert len({event.id for event in first}) == len(first)
    assert len({event.comparison_id for event in first}) == 1
    sofar = Sofar(Evidence.nothing()).after(panes[0], PAIR.design)
    second = compared(PAIR, sofar, 30 * MINUTE, first[-1])
    assert second is not None
    assert (second.revision, first[-1].revision) == (1, 0)
    assert second.id != first[-1].id
    other = compared(replace(PAIR, champion="c" * 64), sofar, 30 * MINUTE, first[-1])
    assert other is not None
    assert (other.revision, other.comparison_id != second.comparison_id) == (0, True)


def test_nothing_is_told_before_there_are_panes() -> None:
    assert compared(PAIR, Sofar(Evidence.nothing()), 0, None) is None
    only = story([Pane(0, Sums.empty(), Sums.empty())])
    assert only[0].verdict == "not_yet"
