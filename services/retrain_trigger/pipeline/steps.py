"""The five steps of a run, each a function from what is done so far to a result that can be written as JSON."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np

from services.retrain_trigger.domain.gate import judge, measure
from services.retrain_trigger.domain.runs import STEPS, Step
from services.retrain_trigger.pipeline.graph import check_graph, score_rows
from services.retrain_trigger.pipeline.job import ALWAYS, Pinned, Result, Workspace, reading_the_log
from services.retrain_trigger.pipeline.origin import environment
from services.retrain_trigger.pipeline.rows import category_lists, labelled, split
from shared.bundle import BundleContents, write_bundle
from shared.cloudevents import rfc3339
from shared.errors import InvalidInput
from shared.feature_log.holds import TRAINING, Hold, hold
from shared.feature_log.privacy import withheld
from shared.feature_log.snapshot import Bounds, pin_snapshot
from shared.features import Float32
from shared.lineage import Lineage
from shared.reference import build_reference
from shared.training import Fitted, TrainingData, training_function

GRAPH = "model.onnx"
OUT_OF_FOLD = "out_of_fold.npy"


def work(space: Workspace) -> Iterator[tuple[Step, Result]]:
    """Do the steps that are not done yet, giving each one's result when it is finished.

    Raises:
        DriftlineError: a step can't be done.
    """
    for step in STEPS:
        if step not in space.done:
            space.done[step] = FUNCTIONS[step](space)
            yield step, space.done[step]


def pin(space: Workspace) -> Result:
    """Fix the rows, exactly."""
    job, definition = space.job, space.definition
    if said := withheld(definition, "hash", "leave_out"):
        raise InvalidInput("features", f"{said}, and no model can be trained on them")
    bounds = Bounds(job.start, job.end, job.as_of, definition.label.kind)
    always = job.start == ALWAYS
    with reading_the_log():
        space.snapshot = pin_snapshot(space.tables, definition.name, bounds, space.keys, all_there_is=always)
    until = datetime.now(UTC) + TRAINING
    hold(job.places.bundles, Hold(model=definition.name, pin=space.snapshot.pin, until=until))
    training, holdout = split(space.snapshot.table, space.holdout_start)
    if len(training) < definition.retraining.min_rows:
        needed = definition.retraining.min_rows
        raise InvalidInput("retraining.min_rows", f"{len(training)} labelled rows to train on, {needed} are needed")
    if not len(holdout):
        raise InvalidInput("retraining.holdout_days", f"no labelled row since {rfc3339(space.holdout_start)}")
    pinned = Pinned(
        pin=space.snapshot.pin,
        labels_left_out=space.snapshot.left_out,
        holdout_start=space.holdout_start,
        training_rows=len(training),
        holdout_rows=len(holdout),
        retired=space.snapshot.retired,
    )
    return pinned.model_dump(mode="json")


def train(space: Workspace) -> Result:
    """Fit the model to the rows before the holdout."""
    settings, definition = space.training, space.definition
    table = split(space.snapshot.table, space.holdout_start)[0]
    categories = category_lists(table, definition)
    rows = labelled(table, definition, categories)
    names = tuple(feature.name for feature in definition.features)
    data = TrainingData(rows.features(definition), rows.labels, rows.event_time, names, categories)
    fitted = training_function(settings.function)(data, settings.hyperparameters, settings.seed)
    _check_out_of_fold(fitted, len(rows))
    content = io.BytesIO()
    np.save(content, fitted.out_of_fold)
    return {
        "onnx": space.save(GRAPH, fitted.onnx),
        "out_of_fold": space.save(OUT_OF_FOLD, content.getvalue()),
        "categories": categories,
        "notes": list(fitted.notes),
    }


def _check_out_of_fold(fitted: Fitted, rows: int) -> None:
    found = fitted.out_of_fold
    if found.shape != (rows, 1) or found.dtype != np.float32:
        raise InvalidInput("out_of_fold", f"must be float32 [{rows}, 1], not {found.dtype} {list(found.shape)}")


def convert(space: Workspace) -> Result:
    """Verify the graph that training gave: its form, and that it scores rows, also one of which nothing is known."""
    graph, definition = _graph(space), space.definition
    check_graph(graph, len(definition.features), definition.label.kind)
    table = space.snapshot.table.slice(0, 1_000)
    features = labelled(table, definition, _categories(space)).features(definition)
    unknown = np.full((1, features.shape[1]), np.nan, dtype=np.float32)
    found = score_rows(graph, np.concatenate([features, unknown]), definition.label.kind)
    return {"bytes": len(graph), "score_of_unknown": float(found[-1, 0])}


def evaluate(space: Workspace) -> Result:
    """Measure challenger and champion on the same holdout."""
    definition = space.definition
    challenger = _measured(space, _graph(space), _categories(space))
    bundle = space.champion
    if bundle is None:
        return {"challenger": challenger, "champion": None, "passed": None, "reason": "no champion to compare with"}
    champion = _measured(space, bundle.onnx, bundle.reference.categories)
    verdict = judge(definition.gate, champion, challenger)
    return {"challenger": challenger, "champion": champion, "passed": verdict.passed, "reason": verdict.reason}


def _measured(space: Workspace, graph: bytes, categories: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    definition = space.definition
    holdout = labelled(split(space.snapshot.table, space.holdout_start)[1], definition, categories)
    found = score_rows(graph, holdout.features(definition), definition.label.kind)
    return measure(holdout.labels, found[:, 0].astype(np.float64), definition.label.kind)


def bundle(space: Workspace) -> Result:
    """Write the signed bundle. Its reference is the whole snapshot, no row scored by a model that was fitted on it."""
    definition, categories, graph = space.definition, _categories(space), _graph(space)
    rows = labelled(space.snapshot.table, definition, categories)
    scores = _unseen_scores(space, graph, rows.features(definition))
    contents = BundleContents(
        onnx=graph,
        definition=space.job.definition,
        reference=build_reference(rows.rows, rows.event_time, scores, definition, categories, labels=rows.labels),
        lineage=_lineage(space),
        evaluation=_evaluation(space),
    )
    places = space.job.places
    return {"digest": write_bundle(places.bundles, contents, places.keys, space.job.signer)}


def _unseen_scores(space: Workspace, graph: bytes, features: Float32) -> Float32:
    """Of training rows the scores out of fold, of the holdout's the model's own."""
    out_of_fold = np.load(io.BytesIO(space.load(OUT_OF_FOLD, space.done["train"]["out_of_fold"])))
    holdout = score_rows(graph, features[len(out_of_fold) :], space.definition.label.kind)
    return np.concatenate([out_of_fold, holdout])


def _lineage(space: Workspace) -> Lineage:
    return Lineage(
        code_commit=space.job.code_commit,
        snapshot=space.pinned.pin,
        training_function=space.training.function,
        hyperparameters=space.training.hyperparameters,
        seed=space.training.seed,
        environment=environment(),
        parent=space.job.champion,
    )


def _evaluation(space: Workspace) -> Result:
    found, pinned, gate = space.done["evaluate"], space.pinned, space.definition.gate
    holdout = {"start": rfc3339(pinned.holdout_start), "end": rfc3339(space.job.end), "rows": pinned.holdout_rows}
    return {
        "holdout": holdout,
        "training_rows": pinned.training_rows,
        "labels_left_out": asdict(pinned.labels_left_out),
        "metrics": found["challenger"],
        "champion": {"digest": space.job.champion, "metrics": found["champion"]} if found["champion"] else None,
        "gate": {"metric": gate.metric, "margin": gate.margin, "passed": found["passed"], "reason": found["reason"]},
        "notes": space.done["train"]["notes"],
    }


def _graph(space: Workspace) -> bytes:
    return space.load(GRAPH, space.done["train"]["onnx"])


def _categories(space: Workspace) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in space.done["train"]["categories"].items()}


FUNCTIONS: Mapping[Step, Callable[[Workspace], Result]] = {
    "pin": pin,
    "train": train,
    "convert": convert,
    "evaluate": evaluate,
    "bundle": bundle,
}
