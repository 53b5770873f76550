from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.drift_detection.domain.known_rows import KnownRows
from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.performance.outcomes import Scorer, WindowOutcomes
from services.drift_detection.domain.source.beside import Beside
from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.domain.source.words import HeadWord, PartWord
from services.drift_detection.domain.state import ModelRecord
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.store import labels as store
from services.drift_detection.store.merging import head_entry, model_entry, read_mergings
from shared.events import DriftDetected, Event, PerformanceMeasured
from shared.outcomes import OutcomeBatch
from shared.reference.panes import time_of
from tests.unit.drift_detection.performance.cases import HOUR
from tests.unit.drift_detection.performance.flow import (
    DIGEST,
    FIRST,
    PER_HOUR,
    Flow,
    bare,
    hours,
    outcome_batch,
    part,
    watched,
)


def measured(said: Sequence[Event], hour: int = 0) -> list[PerformanceMeasured]:
    start = FIRST + hour * HOUR
    return [event for event in said if isinstance(event, PerformanceMeasured) and time_of(event.start) == start]


def clock(flow: Flow, hour: float, sequence: int) -> list[Event]:
    """A label of the hour before `hour` that comes at it: what is said by then."""
    batch = outcome_batch(*hours(int(hour) - 1, 1, per_hour=1), sequence=sequence)
    at = np.datetime64(FIRST + int(hour * HOUR), "us")
    flow.send(replace(batch, label_time=np.array([at])))
    return flow.cycle()


def last_words(said: Sequence[Event]) -> dict[str, PerformanceMeasured]:
    """The last of each window; revisions only rise."""
    last: dict[str, PerformanceMeasured] = {}
    for event in said:
        if isinstance(event, PerformanceMeasured):
            assert event.window_id not in last or last[event.window_id].revision < event.revision
            last[event.window_id] = event
    return last


def test_a_window_is_measured_as_its_labels_come_and_five_times_at_the_most() -> None:
    flow = Flow()
    flow.predict([0], PER_HOUR)
    whole = outcome_batch(*hours(0, 1), lag_hours=0.5)
    early = np.arange(PER_HOUR) % 2 == 0
    flow.send(part(whole, early))
    said = flow.cycle()
    flow.send(replace(part(whole, ~early), meta=replace(whole.meta, sequence=1)))
    for number, hour in enumerate((3, 4, 6, 10, 14, 20)):
        said += clock(flow, hour, 10 + number)
    words = measured(said)
    assert [word.revision for word in words] == [0, 1, 2, 3, 4]
    assert [word.final for word in words] == [False] * 4 + [True]
    assert (words[-1].rows, words[-1].labelled) == (PER_HOUR, PER_HOUR)
    assert [word.metrics[0].covered is None for word in words] == [True, True, False, False, False]


def test_last_words_are_those_of_all_labels_at_once_whatever_their_order_and_repeats() -> None:
    times, scores, labels = hours(0, 6)
    random = np.random.default_rng(1)
    wrong = np.where(random.random(len(labels)) < 0.1, 1 - labels, labels)
    first = outcome_batch(times, scores, wrong, lag_hours=random.exponential(1, len(labels)))
    mended = part(outcome_batch(times, scores, labels, lag_hours=6.0, replaced=wrong), wrong != labels)
    flow = Flow(partitions=3)
    flow.predict(range(6))
    owner = random.integers(0, 3, len(labels))
    said: list[Event] = []
    for number in range(3):
        producer = f"driftline.labels/{number}"
        for sequence in (0, 1, 1, 0):  # two parts, both sent again by their writer
            chosen = (owner == number) & (np.arange(len(labels)) % 2 == sequence)
            batch = part(first, chosen)
            flow.send(replace(batch, meta=replace(batch.meta, producer=producer, sequence=sequence)), number)
        said += flow.cycle(at_end=[])
    flow.send(replace(mended, meta=replace(mended.meta, sequence=5)))
    said += flow.cycle(at_end=[])
    said += clock(flow, 60, 100)
    words = last_words(said)
    assert flow.merging.labels.repeats == 6
    reference = watched().reference
    assert reference.calibration is not None
    for hour in range(6):
        expected = WindowOutcomes()
        scorer = Scorer(reference, reference.calibration)
        for batch in (first, mended):
            inside = (batch.event_time.astype(np.int64) - FIRST) // HOUR == hour
            scorer.add(expected, batch, inside)
        [word] = [one for one in words.values() if time_of(one.start) == FIRST + hour * HOUR]
        assert (word.final, word.labelled, word.corrections) == (True, PER_HOUR, expected.corrections)
        brier = sum(one.sums[1] for one in expected.labels.values()) / 2**16 / PER_HOUR
        assert word.metrics[1].realised == brier


def test_words_that_come_again_or_too_early_change_nothing() -> None:
    flow = Flow()
    for number in range(3):
        flow.send(outcome_batch(*hours(number, 1), sequence=number))
    [(_, first), (_, second)] = flow.sources.words([])
    flow.send(outcome_batch(*hours(3, 1), sequence=3))
    [(_, third), _] = flow.sources.words([])
    taking = flow.merging.labels
    taking.take(third)
    assert taking.heads[0].taken == -1
    for word in (first, second, first, third, second, third, first):
        taking.take(word)
    book = flow.merging.watch("pumps").labels
    assert taking.heads[0].taken == 3
    assert [int(window.outcomes.counts.sum()) for _, window in sorted(book.windows.items())] == [PER_HOUR] * 4


def test_labels_after_the_last_word_are_counted_and_left() -> None:
    flow = Flow()
    flow.send(outcome_batch(*hours(0, 1)))
    flow.cycle()
    clock(flow, 40, 1)
    flow.send(outcome_batch(*hours(1, 1), sequence=2))
    assert measured(flow.cycle(), 1) == []
    assert flow.merging.labels.too_late == PER_HOUR
    assert len(flow.merging.watch("pumps").labels.windows) == 1


def test_a_window_is_not_spoken_of_before_the_rows_that_its_labels_are_for_were_told() -> None:
    flow = Flow()
    bundle, key = watched(), WindowKey(FIRST, DIGEST, "champion")
    late = outcome_batch(*hours(0, 1))
    flow.send(replace(late, source_offset=np.full(PER_HOUR, 7)))
    assert clock(flow, 40, 1) == []
    flow.merging.take(HeadWord(0, offset=7, clocks={"pumps": FIRST}))  # read so far, but not at its end
    assert flow.cycle() == []
    part_word = PartWord("pumps", 0, key, Partial(bundle.reference.empty_sketch(), 7, beside=Beside.empty(bundle)))
    part_word.part.add(bare(PER_HOUR), late.scores, bundle)
    flow.merging.take(part_word)
    words = measured(flow.cycle())
    assert [(word.rows, word.labelled, word.final) for word in words] == [(PER_HOUR, PER_HOUR, True)]


def test_rows_that_never_come_are_waited_for_a_day_of_the_models_clock() -> None:
    flow = Flow()
    late = outcome_batch(*hours(0, 1))
    flow.send(replace(late, source_partition=np.full(PER_HOUR, 99, np.int32)))
    clock(flow, 40, 1)
    flow.merging.watch("pumps").move_watermark(FIRST + 26 * HOUR - 1)
    assert flow.cycle() == []
    flow.merging.watch("pumps").move_watermark(FIRST + 26 * HOUR)
    assert [word.final for word in measured(flow.cycle())] == [True]


def test_windows_end_though_no_labels_come() -> None:
    watch = ModelWatch(ModelRecord(model="pumps"))
    for hour in range(100):
        watch.labels.predicted(WindowKey(FIRST + hour * HOUR, DIGEST, "champion"), PER_HOUR, watched())
    watch.move_watermark(FIRST + 100 * HOUR)
    assert not watch.measure(None, 1_000, KnownRows(watch, {}, {}))
    assert watch.outbox == []
    assert 40 < len(watch.labels.windows) < 75  # 3 delays, and a day and 5 delays of patience


def test_a_restart_changes_no_last_word() -> None:
    def run(*, restarted: bool) -> dict[str, PerformanceMeasured]:
        flow, said = Flow(), list[Event]()
        for hour in range(24):
            flow.predict([hour])
            flow.send(outcome_batch(*hours(hour, 1), lag_hours=1.0, sequence=hour))
            said += flow.cycle()
            if restarted and hour % 5 == 0:
                merging = flow.merging
                record = merging.watch("pumps").store()
                entries = [*store.window_entries(merging), head_entry(merging), model_entry(0, record)]
                stored.update(entries)
                for key in store.forgotten(merging):
                    stored.pop(key, None)
                flow.merging = read_mergings(stored.items(), [0], lambda _: Merging(0, 1, {DIGEST: watched()}, 1))[0]
        said += clock(flow, 90, 100)
        return last_words(said)

    stored: dict[bytes, bytes] = {}
    assert run(restarted=True) == run(restarted=False)


def messages(flipped: float, since: int, until: int) -> list[OutcomeBatch]:
    changed = [0.0 if hour < since else flipped for hour in range(until)]
    return [outcome_batch(*hours(hour, 1, flipped=changed[hour]), sequence=hour) for hour in range(until)]


def test_a_change_of_what_is_right_alarms_though_no_feature_moved_and_is_never_taken_back() -> None:
    flow, said = Flow(), list[Event]()
    for batch in messages(0.3, since=40, until=80):
        flow.send(batch)
        said += flow.cycle()
    detected, *raised = [event for event in said if isinstance(event, DriftDetected)]
    assert {(one.incident_id, one.severity) for one in raised} <= {(detected.incident_id, "major")}
    [risk] = detected.features
    assert (risk.name, risk.rule, risk.measure) == ("risk", "risk", "d")
    assert risk.statistic >= risk.threshold
    assert risk.onset is not None
    assert abs(time_of(risk.onset) - (FIRST + 40 * HOUR)) <= 6 * HOUR
    assert time_of(detected.start) < FIRST + 60 * HOUR
    assert 0.02 < risk.effect < 0.4
    book = flow.merging.watch("pumps")._judge.book
    [incident] = book.incidents
    assert (incident.settled, incident.windows) == (["risk"], {})
    assert book.retract(WindowKey(time_of(detected.start), DIGEST, "champion"), detected.window_id, 0) == []


def test_without_a_change_the_bet_on_risk_is_quiet() -> None:
    flow, said = Flow(), list[Event]()
    for batch in messages(0.0, since=0, until=200):
        flow.send(batch)
        said += flow.cycle()
    assert not any(isinstance(event, DriftDetected) for event in said)
    assert watched().bank.budget.streams == 3  # a feature, a score and risk
