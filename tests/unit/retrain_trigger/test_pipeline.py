import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from services.retrain_trigger.domain.runs import STEPS, Step
from services.retrain_trigger.pipeline import steps
from services.retrain_trigger.pipeline.job import Result, Workspace
from services.retrain_trigger.pipeline.steps import work
from shared.bundle import open_bundle
from shared.errors import DriftlineError, InvalidInput
from shared.feature_log.holds import holds
from shared.feature_log.schema import table_path
from shared.feature_log.snapshot import read_snapshot
from tests.unit.retrain_trigger.stand import A_DAY, MODEL, ONSET, START, WAIT_UNTIL, Stand, definition_text, history


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    return Stand(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def whole(stand: Stand) -> dict[Step, Result]:
    return stand.done(stand.job(stand.champion))


def test_the_steps_are_done_in_order(whole: dict[Step, Result]) -> None:
    assert tuple(whole) == STEPS == ("pin", "train", "convert", "evaluate", "bundle")


def test_the_last_two_days_are_the_holdout_and_all_rows_before_are_for_training(whole: dict[Step, Result]) -> None:
    pinned = whole["pin"]
    assert (pinned["training_rows"], pinned["holdout_rows"]) == (29 * A_DAY, 2 * A_DAY)
    assert pinned["holdout_start"] == "2013-03-30T00:00:00Z"
    assert pinned["pin"]["rows"] == 31 * A_DAY


def test_what_the_rows_were_read_from_is_held_until_long_after_the_bundle_is_there(
    stand: Stand, whole: dict[Step, Result]
) -> None:
    held = [each for each in holds(stand.settings.bundles) if each.pin.model_dump(mode="json") == whole["pin"]["pin"]]
    assert {each.model for each in held} == {MODEL}
    assert min(each.until for each in held) > datetime.now(UTC) + timedelta(days=6)


def test_the_challenger_beats_a_champion_whose_feed_went_wrong_on_the_same_holdout(whole: dict[Step, Result]) -> None:
    found = whole["evaluate"]
    assert found["challenger"]["log_loss"] < found["champion"]["log_loss"] - 0.1
    assert found["passed"] is True


def test_the_same_inputs_give_the_same_bundle(stand: Stand, whole: dict[Step, Result]) -> None:
    again = stand.done(stand.job(stand.champion, name="again"))
    assert again["bundle"] == whole["bundle"]
    assert again == whole


def test_the_bundle_says_where_it_comes_from_and_how_good_it_is(stand: Stand, whole: dict[Step, Result]) -> None:
    settings = stand.settings
    bundle = open_bundle(settings.bundles, whole["bundle"]["digest"], settings.trust)
    assert bundle.signer == "retrain_trigger"
    assert bundle.lineage.parent == stand.champion
    assert bundle.lineage.seed == 5
    assert bundle.evaluation["metrics"] == whole["evaluate"]["challenger"]
    assert bundle.evaluation["champion"] == {"digest": stand.champion, "metrics": whole["evaluate"]["champion"]}
    assert bundle.evaluation["notes"] == ["a line"]
    assert bundle.definition.name == MODEL
    assert bundle.reference.size == 31 * A_DAY
    assert bundle.reference.categories == {"carrier": ("AA", "UA")}
    assert bundle.reference.calibration is not None
    assert bundle.reference.calibration.labelled == 31 * A_DAY
    assert len(read_snapshot(settings.tables, MODEL, bundle.lineage.snapshot)) == 31 * A_DAY


def test_a_first_model_is_measured_on_its_own_holdout_and_compared_with_none(stand: Stand) -> None:
    bundle = open_bundle(stand.settings.bundles, stand.champion, stand.settings.trust)
    assert bundle.evaluation["champion"] is None
    assert bundle.evaluation["gate"]["passed"] is None
    assert bundle.evaluation["holdout"]["rows"] == 2 * A_DAY
    assert bundle.lineage.parent is None


class CrashError(Exception):
    pass


@pytest.mark.parametrize("last", STEPS[:-1])
def test_a_run_that_crashed_goes_on_after_its_last_finished_step(
    stand: Stand, whole: dict[Step, Result], last: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = stand.job(stand.champion, name=f"crashed-after-{last}")
    done: dict[Step, Result] = {}
    for step, result in work(Workspace(job, {})):
        done[step] = json.loads(json.dumps(result))  # as the journal keeps it
        if step == last:
            break
    finished = STEPS.index(last) + 1
    monkeypatch.setattr(steps, "FUNCTIONS", {**steps.FUNCTIONS, **dict.fromkeys(STEPS[:finished], _crash)})
    rest = dict(work(Workspace(job, done)))
    assert tuple(rest) == STEPS[finished:]
    assert rest["bundle"] == whole["bundle"]


def _crash(_: Workspace) -> Result:
    raise CrashError("a finished step was done again")


def test_a_graph_that_was_changed_between_two_steps_is_refused(stand: Stand) -> None:
    job = stand.job(stand.champion, name="changed")
    progress: Iterator[tuple[Step, Result]] = work(Workspace(job, {}))
    done = dict([next(progress), next(progress)])
    (job.places.work / "model.onnx").write_bytes(b"something else")
    with pytest.raises(DriftlineError, match="not what that step wrote"):
        dict(work(Workspace(job, done)))
    (job.places.work / "model.onnx").unlink()
    with pytest.raises(DriftlineError, match="can't be read"):
        dict(work(Workspace(job, done)))


def first_error(stand: Stand, text: str, **changes: object) -> str:
    job = stand.job(stand.champion, text=text, name="wrong").model_copy(update=changes)
    with pytest.raises(DriftlineError) as caught:
        dict(work(Workspace(job, {})))
    return str(caught.value)


def test_too_few_rows_are_refused_with_the_numbers(stand: Stand) -> None:
    said = first_error(stand, definition_text().replace("min_rows = 200", "min_rows = 1451"))
    assert said == "retraining.min_rows: 1450 labelled rows to train on, 1451 are needed"


def test_a_holdout_without_labels_is_refused(stand: Stand) -> None:
    said = first_error(stand, definition_text(), end=START + timedelta(days=50), as_of=START + timedelta(days=51))
    assert "no labelled row since 2013-04-18" in said


def test_a_model_without_a_training_function_is_refused(stand: Stand) -> None:
    assert "names no training function" in first_error(stand, definition_text().split("[training]", maxsplit=1)[0])


def test_a_training_function_that_is_not_there_is_named(stand: Stand) -> None:
    assert "training.function" in first_error(stand, definition_text("no_such_function"))


def test_a_graph_that_scores_no_row_is_refused(stand: Stand) -> None:
    assert "finite score" in first_error(stand, definition_text("give_nothing"))


def test_scores_out_of_fold_of_another_length_are_refused(stand: Stand) -> None:
    assert "out_of_fold" in first_error(stand, definition_text("too_few_scores"))


def test_a_feature_that_the_log_lacks_is_named(stand: Stand) -> None:
    said = first_error(stand, definition_text().replace('"temp"', '"humid"'))
    assert said.startswith("humid:")


def test_features_that_the_log_keeps_unreadable_are_named_and_not_trained_on(stand: Stand) -> None:
    for form in ("hash", "leave_out"):
        changed = definition_text().replace('"categorical" }', f'"categorical", sensitive = "{form}" }}')
        assert f"carrier ({form}): sensitive" in first_error(stand, changed)


def test_a_champion_that_does_not_verify_is_refused(stand: Stand) -> None:
    job = stand.job("f" * 64, name="no-champion")
    with pytest.raises(InvalidInput, match="no bundle"):
        dict(work(Workspace(job, {})))


def test_a_later_label_than_as_of_is_not_used(stand: Stand) -> None:
    job = stand.job(stand.champion, name="as-of").model_copy(update={"as_of": WAIT_UNTIL - timedelta(days=1)})
    pinned = next(work(Workspace(job, {})))[1]
    assert pinned["pin"]["rows"] < 31 * A_DAY - A_DAY + 1


def test_work_of_one_run_stays_in_its_folder(stand: Stand, tmp_path: Path) -> None:
    job = stand.job(stand.champion)
    job = job.model_copy(update={"places": job.places.model_copy(update={"work": tmp_path / "own"}), "end": ONSET})
    dict(work(Workspace(job, {})))
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["model.onnx", "out_of_fold.npy"]


def test_hostile_labels_neither_steer_a_run_nor_stop_it_and_are_counted(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    honest = stand.done(stand.job(stand.champion))
    rows = history().slice(0, 3).to_pylist()
    for number, (row, value, hours) in enumerate(zip(rows, (-1000.0, 2.0, 1.0), (1, 1, -1), strict=True)):
        time = WAIT_UNTIL - timedelta(hours=3)
        row |= {"request_id": bytes([255, number]) * 8, "event_time": time, "event_day": time.date()}
        row |= {"label": value, "label_time": time + timedelta(hours=hours)}
    table = pa.Table.from_pylist(rows, schema=history().schema)
    write_deltalake(table_path(stand.settings.tables, MODEL, "history"), table, mode="append")
    found = stand.done(stand.job(stand.champion, name="hostile"))
    assert found["evaluate"] == honest["evaluate"]
    assert found["pin"]["labels_left_out"] == {"unfit": 2, "early": 1}
    bundle = open_bundle(stand.settings.bundles, found["bundle"]["digest"], stand.settings.trust)
    assert bundle.evaluation["labels_left_out"] == {"unfit": 2, "early": 1}
