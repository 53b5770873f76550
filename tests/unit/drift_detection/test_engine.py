import numpy as np
import pytest

from services.drift_detection.domain.engine import Engine, Place
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.parts import Source
from services.drift_detection.domain.watched import Watched
from shared.batch import PredictionBatch
from shared.errors import InvalidInput
from shared.events import DriftDetected, Event
from shared.reference.panes import moment
from tests.unit.drift_detection.offline import contents_of
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, batches, definition, hours, reference, watched

FIRST = int(START.astype(np.int64))
NOW = FIRST + 10_000 * HOUR
ALL = {0, 1, 2}


def engine() -> Engine:
    return Engine({number: PartitionState(number) for number in ALL}, {})


def messages(count: int) -> list[tuple[int, int, PredictionBatch]]:
    """(partition, offset, batch) of so many hours, ten rows each, in turn over the partitions."""
    times, rows, scores = hours(0, count)
    rows.numeric[times >= START + np.timedelta64(8 * HOUR, "us"), 0] -= 20
    return [(n % 3, n // 3, one) for n, one in enumerate(batches(DIGEST, times, rows, scores, 10))]


def take(state: Engine, partition: int, offset: int, content: PredictionBatch) -> None:
    state.take(Place(partition, offset, NOW), content, watched())


def speak(state: Engine, at_end: set[int]) -> list[Event]:
    while state.advance(at_end, 4):
        pass
    outbox = [event for watch in state.watches.values() for event in watch.outbox]
    said = [event for event in outbox if event.type not in {"DataQualityReported", "PerformanceEstimated"}]
    for watch in state.watches.values():
        watch.sent(len(watch.outbox))
    return said


def test_a_window_closes_when_all_unread_partitions_have_passed_its_end() -> None:
    state = engine()
    for partition, offset, content in messages(3)[:8]:
        take(state, partition, offset, content)
    [closed] = speak(state, set())  # the third message of partition 2, of hour 2, is missing
    assert closed.time == moment(FIRST + HOUR)
    assert state.watch("pumps").watermark == state.partitions[2].clocks["pumps"]
    take(state, *messages(3)[8])
    assert [event.time for event in speak(state, set())] == [moment(FIRST + 2 * HOUR)]


def test_a_partition_with_unread_messages_and_no_time_holds_everything_back() -> None:
    state = engine()
    for offset, (_, _, content) in enumerate(messages(3)):
        take(state, 0, offset, content)
    assert speak(state, {1}) == []
    assert len(speak(state, ALL)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_partitions_in_any_interleaving_end_in_the_same_last_words_and_one_incident(seed: int) -> None:
    random = np.random.default_rng(seed)
    queues = {number: [one for one in messages(12) if one[0] == number] for number in ALL}
    state, said = engine(), []
    while any(queues.values()):
        number = random.choice([number for number, queue in queues.items() if queue])
        take(state, *queues[number].pop(0))
        if random.random() < 0.3:
            # what the broker has told of may be short of what there is, so an end may be seen early
            said += speak(state, {number for number in ALL if random.random() < 0.5})
    said += speak(state, ALL)
    straight = engine()
    for one in messages(12):
        take(straight, *one)
    expected = speak(straight, ALL)
    assert contents_of(said) == contents_of(expected)
    assert len(contents_of(said)) == 11
    incidents = [incident for incident in state.watch("pumps").record.incidents if incident.state == "open"]
    [detected] = [event for event in expected if isinstance(event, DriftDetected)]
    assert [incident.incident_id for incident in incidents] == [detected.incident_id]
    assert detected.start == moment(FIRST + 8 * HOUR)


def test_a_message_at_or_below_the_offset_is_skipped() -> None:
    state = engine()
    content = messages(1)[0][2]
    assert state.take(Place(0, 7, NOW), content, watched()) is not None
    assert state.take(Place(0, 7, NOW), content, watched()) is None
    assert state.take(Place(0, 6, NOW), content, watched()) is None
    speak(state, ALL)
    assert state.tallies()[Source("pumps", DIGEST, "champion")].rows == 10


def test_an_idle_partition_keeps_windows_open_to_revision() -> None:
    state = engine()
    for offset, (partition, _, content) in enumerate(messages(6)):
        take(state, partition % 2, offset, content)
    speak(state, ALL)
    state.finish()
    take(state, 2, 0, messages(1)[0][2])
    assert [event.type for event in speak(state, ALL)] == ["WindowRevised"]


def test_a_window_of_repeats_alone_is_not_published() -> None:
    state = engine()
    take(state, 0, 0, batch(DIGEST, *hours(0, 1), repeat=True))
    take(state, 0, 1, batch(DIGEST, *hours(5, 1)))
    assert speak(state, ALL) == []


def test_finished_windows_change_nothing_for_those_that_follow() -> None:
    finishing, plain = engine(), engine()
    said: dict[int, list[Event]] = {0: [], 1: []}
    for one in messages(12):
        for number, state in enumerate((finishing, plain)):
            take(state, *one)
            said[number] += speak(state, set())
        finishing.finish()
    assert sum(len(part.partials) for part in finishing.partitions.values()) < 12
    assert [event.model_dump_json() for event in said[0]] == [event.model_dump_json() for event in said[1]]


def test_a_definition_that_does_not_fit_its_reference_is_refused() -> None:
    changed = definition().model_copy(
        update={"monitoring": definition().monitoring.model_copy(update={"pane_seconds": 60})}
    )
    with pytest.raises(InvalidInput, match="pane_seconds"):
        Watched(DIGEST, changed, reference())
