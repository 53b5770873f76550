"""Labels meet their predictions: in any order, each pair once, whatever is read again, refused or done at once."""

from pathlib import Path

import numpy as np
import pytest

from services.feature_logging.domain.labels import label_rows, labels_of
from services.feature_logging.store.labels.matcher import DEFAULT_BOUNDS, Arrived, Matcher
from services.feature_logging.store.labels.outcomes import NewPairs, outcomes_place
from services.feature_logging.store.table import Fenced, LogTable
from shared.cloudevents import decode
from shared.events import LabelsReceived
from shared.feature_log.schema import app_id
from shared.feature_log.snapshot import Bounds, pin_snapshot
from shared.kafka.message import InMessage
from tests.unit.feature_logging.pairing import L, Worker, at, batches, labelled, predicted, uuid7
from tests.unit.feature_logging.samples import MODEL, origin, rows_of

A, B, C = (uuid7(number) for number in (1, 2, 3))
FIRST = (A, 0, "champion", 1.0, None, "label")


@pytest.mark.parametrize("flush", [True, False], ids=["in two commits", "in one commit"])
@pytest.mark.parametrize("label_first", [True, False])
async def test_a_label_meets_its_prediction_in_any_order(tmp_path: Path, flush: bool, label_first: bool) -> None:
    worker = Worker(tmp_path)
    messages = [predicted(0, A, B), labelled(0, L(A, 1))]
    first, last = reversed(messages) if label_first else messages
    before = await worker.read(first, flush=flush)
    assert before + await worker.read(last) == [FIRST]
    assert await worker.read(predicted(1, C)) == []
    (batch,) = batches(worker.sent)
    assert (batch.meta.rows_so_far, batch.source_partition.tolist(), batch.source_offset.tolist()) == (1, [0], [0])
    assert batch.label_time.tolist() == [at(60).replace(tzinfo=None)]
    source = "driftline.labels" if label_first != flush else "driftline.predictions"
    assert batch.meta.producer == (f"{source}/0" if flush else "driftline.labels/0")
    assert worker.sent[0].key == batch.meta.producer.encode()


async def test_later_labels_are_corrections_repeats_and_older_ones_are_nothing(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    assert await worker.read(predicted(0, A), labelled(0, L(A, 1, 60))) == [FIRST]
    assert await worker.read(labelled(1, L(A, 0, 60), L(A, 0, 50))) == []
    assert await worker.read(labelled(2, L(A, 0, 70))) == [(A, 0, "champion", 0.0, 1.0, "label")]
    again = labelled(3, L(A, 1, 80), L(A, 0, 90))
    assert await worker.read(again) == [(A, 0, "champion", 0.0, 1.0, "label"), (A, 0, "champion", 1.0, 0.0, "label")]


async def test_corrections_that_wait_for_their_prediction_are_told_in_the_order_in_which_they_came_true(
    tmp_path: Path,
) -> None:
    worker = Worker(tmp_path)
    assert await worker.read(labelled(0, L(A, 0, 70)), labelled(1, L(A, 1, 60))) == []
    assert await worker.read(predicted(0, A)) == [(A, 0, "champion", 0.0, 1.0, "label"), FIRST]


@pytest.mark.parametrize("partitions", [(0, 1), (1, 0)])
async def test_of_two_labels_of_one_time_that_which_was_logged_first_counts_wherever_it_is_read_first(
    tmp_path: Path, partitions: tuple[int, int]
) -> None:
    labels = {0: labelled(0, L(A, 1, 60), partition=0), 1: labelled(5, L(A, 0, 60), partition=1)}
    worker = Worker(tmp_path)
    told = await worker.read(predicted(0, A), labels[partitions[0]])
    told += await worker.read(labels[partitions[1]], labelled(9, L(A, 1, 60), partition=2))
    corrected = [(A, 0, "champion", 0.0, None, "label"), (A, 0, "champion", 1.0, 0.0, "label")]
    assert told == ([FIRST] if partitions[0] == 0 else corrected)
    snapshot = pin_snapshot(tmp_path, MODEL, Bounds(at(0), at(60), at(90), "binary"))
    assert snapshot.table["label"].to_pylist() == [1.0]


async def test_a_label_read_first_that_says_what_the_first_logged_says_does_not_hide_it(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    await worker.read(labelled(0, L(A, 0, 60)), labelled(1, L(A, 1, 60)))
    told = await worker.read(predicted(0, A), labelled(2, L(A, 0, 60)))
    assert told == [(A, 0, "champion", 0.0, 0.0, "label"), (A, 0, "champion", 0.0, None, "label")]
    snapshot = pin_snapshot(tmp_path, MODEL, Bounds(at(0), at(60), at(90), "binary"))
    assert snapshot.table["label"].to_pylist() == [0.0]


async def test_what_does_not_count_is_no_outcome_and_hides_none(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    assert await worker.read(predicted(0, A, minutes=30), labelled(0, L(A, 1, 29), L(A, 2, 90))) == []
    assert await worker.read(labelled(1, L(A, 1, 60))) == [FIRST]


async def test_rows_of_a_request_and_kinds_are_told_apart(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    labels = [L(A, 1, row=1), L(A, 2.5, kind="business"), L(A, 0, row=2), L(B, 1), L("unknown", 1)]
    assert await worker.read(predicted(0, A, A), labelled(0, *labels)) == [
        (A, 0, "champion", 2.5, None, "business"),
        (A, 1, "champion", 1.0, None, "label"),
    ]


async def test_every_role_that_answered_meets_the_label_once(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    shadowed = np.array([[0.75]], np.float32)
    shadow = predicted(2, A, role="shadow", digest="e" * 64, champion_scores=shadowed)
    repeat = predicted(1, A, repeat=np.array([True]))
    assert await worker.read(predicted(0, A), repeat, labelled(0, L(A, 1))) == [FIRST]
    assert await worker.read(shadow) == [(A, 0, "shadow", 1.0, None, "label")]
    assert await worker.read(predicted(3, A, minutes=1)) == []  # answered again: the first answer counts
    corrected = await worker.read(labelled(1, L(A, 0, 70)))
    assert corrected == [(A, 0, role, 0.0, 1.0, "label") for role in ("champion", "shadow")]
    first, last = batches(worker.sent)[1], batches(worker.sent)[-1]
    assert (first.meta.role, last.meta.role, last.source_offset.tolist()) == ("shadow", "shadow", [2])
    assert first.champion_scores is not None
    assert last.champion_scores is not None
    assert first.champion_scores.tolist() == last.champion_scores.tolist() == [[0.75]]


@pytest.mark.parametrize("others", [[], [B]], ids=["alone", "with a label for another row of the champion's file"])
async def test_every_role_is_met_wherever_its_row_lies(tmp_path: Path, others: list[str]) -> None:
    worker = Worker(tmp_path)  # both ids are of minute 0, and A was answered later
    await worker.read(predicted(0, B), predicted(1, A, minutes=1))
    await worker.read(predicted(2, A, minutes=1, role="shadow", digest="e" * 64))
    met = await worker.read(labelled(0, *(L(name, 1) for name in (A, *others))))
    assert [role for name, _, role, *_ in met if name == A] == ["champion", "shadow"]


STREAM = [predicted(0, A, B), labelled(0, L(A, 1), L(B, 0), L(C, 1)), predicted(1, C), labelled(1, L(B, 1, 80))]


async def test_what_was_published_before_a_crash_is_published_again_to_the_byte(tmp_path: Path) -> None:
    before = Worker(tmp_path)
    for each in STREAM:
        await before.read(each)
    after = Worker(tmp_path)
    for each in STREAM:
        await after.read(each)
    assert len(before.sent) == 3
    assert after.sent == before.sent
    at_once = Worker(tmp_path)
    await at_once.read(*STREAM)
    assert sorted(out.value for out in at_once.sent) == sorted(out.value for out in before.sent)
    assert len(rows_of(outcomes_place(tmp_path, MODEL))) == 4


@pytest.mark.parametrize("cut", range(len(STREAM)))
async def test_a_crash_between_the_commits_of_rows_and_of_pairs_loses_no_pair(tmp_path: Path, cut: int) -> None:
    before = Worker(tmp_path)
    for each in STREAM[:cut]:
        await before.read(each)
    await before.read(STREAM[cut], flush=False)
    await before.log.commit()
    after = Worker(tmp_path)
    pairs = await after.read(*STREAM)
    assert len(pairs) == len(set(pairs)) == 4
    assert after.sent[: len(before.sent)] != [] or not before.sent
    assert {out.value for out in before.sent} <= {out.value for out in after.sent}


async def test_what_came_meanwhile_changes_nothing_of_what_is_published_again(tmp_path: Path) -> None:
    before, other = Worker(tmp_path), Worker(tmp_path)
    await before.read(predicted(0, A), labelled(0, L(A, 1), L(B, 1)))
    await other.read(predicted(0, B, partition=1), flush=False)
    await other.log.commit()  # its pairs are still to be made
    after = Worker(tmp_path)
    await after.read(labelled(0, L(A, 1), L(B, 1)))
    assert after.sent == before.sent
    assert [each.meta.producer for each in batches(await other.intake.flush())] == ["driftline.predictions/1"]  # type: ignore[arg-type]  # a list


async def test_two_workers_that_see_each_others_rows_at_once_make_one_pair(tmp_path: Path) -> None:
    ours, theirs = Worker(tmp_path), Worker(tmp_path)
    await ours.read(predicted(0, A), flush=False)
    await theirs.read(labelled(0, L(A, 1)), flush=False)
    await ours.log.commit()
    await theirs.log.commit()
    await ours.read()
    await theirs.read()
    assert len(ours.sent) + len(theirs.sent) == len(rows_of(outcomes_place(tmp_path, MODEL))) == 1


async def test_of_two_commits_of_the_same_pair_the_second_is_made_anew_and_empty(tmp_path: Path) -> None:
    worker, (new, other) = Worker(tmp_path), await meeting(tmp_path)
    table, late = (LogTable(outcomes_place(tmp_path, MODEL)) for _ in range(2))
    first, second = new(table), other(late)
    assert first is not None
    assert second is not None
    table.commit(first)
    with pytest.raises(Fenced):
        late.commit(second)
    await worker.log.write(outcomes_place(tmp_path, MODEL), other)
    assert (len(other.rows), len(rows_of(outcomes_place(tmp_path, MODEL)))) == (0, 1)


async def test_a_worker_whose_partition_another_has_matched_is_refused(tmp_path: Path) -> None:
    worker, (_, frozen) = Worker(tmp_path), await meeting(tmp_path)
    await Worker(tmp_path).read(predicted(0, A), labelled(0, L(A, 1)))
    for _ in range(2):  # nothing goes on until all is read again
        with pytest.raises(Fenced, match="has matched driftline"):
            await worker.log.write(outcomes_place(tmp_path, MODEL), frozen)
    worker.intake.forget()
    await worker.read(predicted(0, A))


async def meeting(tables: Path) -> list[NewPairs]:
    """What two workers make of the same label and prediction, by the one's coming and by the other's."""
    worker = Worker(tables)
    await worker.read(predicted(0, A), labelled(0, L(A, 1)), flush=False)
    await worker.log.commit()
    found = Matcher(tables, MODEL, DEFAULT_BOUNDS).meetings(arrived(labelled(0, L(A, 1))))
    triggers = [found, [each._replace(trigger=origin(0)) for each in found]]
    return [
        NewPairs(each, {app_id(each[0].trigger.topic, 0): 0}, lambda _label, _prediction: True, lambda _key: ())
        for each in triggers
    ]


def arrived(message: InMessage) -> Arrived:
    event = decode(message)
    assert isinstance(event, LabelsReceived)
    at_place = origin(message.offset, topic=message.topic)
    return Arrived(labels=[(at_place, labels_of(label_rows(event, at_place)["labels"], business=False))])


async def test_pairs_are_matched_whenever_enough_rows_have_come(tmp_path: Path) -> None:
    worker = Worker(tmp_path, rows=2)
    await worker.read(predicted(0, A), labelled(0, L(A, 1)), flush=False)
    assert len(worker.sent) == 1
