"""Training of flight_delays: gradient-boosted trees, calibrated out of fold, as one ONNX graph."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from models.flight_delays.graph import Calibration, probabilities, to_onnx
from shared.errors import DriftlineError, InvalidInput
from shared.features import Float32
from shared.training import Fitted, Hyperparameters, TrainingData

Float64 = NDArray[np.float64]
LARGEST_DIFFERENCE = 1e-5
NIGHT = np.timedelta64(9, "h")  # at 9:00 UTC no flight leaves New York: there a day of flights ends


class Settings(BaseModel):
    """The hyperparameters, each as scikit-learn names it, and the number of folds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    learning_rate: float = Field(default=0.08, gt=0)
    max_iter: int = Field(default=200, ge=1)
    max_leaf_nodes: int = Field(default=8, ge=2)
    min_samples_leaf: int = Field(default=20, ge=1)
    l2_regularization: float = Field(default=1, ge=0)
    folds: int = Field(default=5, ge=2)


def fit(data: TrainingData, hyperparameters: Hyperparameters, seed: int) -> Fitted:
    """Train on `data`; see `shared.training.Fitted` for what comes out.

    A fold holds whole days, since the flights of one day share its weather. The trees' log odds are calibrated by
    Platt scaling (Platt 1999) on the out-of-fold values; the scores of a fold by the scaling of the other folds.

    Raises:
        InvalidInput: a hyperparameter is unknown or out of bounds, or there are too few labels of one kind.
        DriftlineError: the graph does not give what the trees give.
    """
    settings = _settings(hyperparameters)
    labels = _binary(data.labels)
    features, notes = _without_absent(data)
    fold = _folds(data.event_time, settings.folds)
    log_odds = _out_of_fold(features, labels, fold, settings, seed)
    trees = _fit_trees(features, labels, settings, seed)
    calibration = _calibrate(log_odds, labels)
    onnx = to_onnx(trees, calibration, len(data.names))
    _check(onnx, data.features, calibration.apply(trees.decision_function(features)))
    return Fitted(onnx, _cross_calibrated(log_odds, labels, fold), notes)


def _settings(hyperparameters: Hyperparameters) -> Settings:
    try:
        return Settings.model_validate(dict(hyperparameters))
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(f"training.hyperparameters.{first['loc'][0]}", first["msg"]) from error


def _binary(labels: Float64) -> NDArray[np.int64]:
    if not np.isin(labels, (0, 1)).all():
        raise InvalidInput("label", "must be 0 or 1")
    return labels.astype(np.int64)


def _without_absent(data: TrainingData) -> tuple[Float32, tuple[str, ...]]:
    """A feature that no row has makes scikit-learn's binning fail; as a constant no tree ever asks for it."""
    absent = _absent(data.features)
    notes = tuple(
        f"{data.names[position]}: missing in all {len(data)} training rows, so left out of the model"
        for position in np.flatnonzero(absent)
    )
    return np.where(absent, np.float32(0), data.features), notes


def _absent(features: Float32) -> NDArray[np.bool_]:
    return np.asarray(np.isnan(features).all(axis=0))


def _folds(event_time: NDArray[np.datetime64], count: int) -> NDArray[np.int64]:
    """Fold of each row: every `count`-th day is in the same one."""
    days = (event_time - NIGHT).astype("datetime64[D]")
    fold = np.unique(days, return_inverse=True)[1] % count
    if len(np.unique(fold)) < 2:
        raise InvalidInput("event_time", "the training rows must be of two days or more")
    return fold.astype(np.int64)


def _fit_trees(
    features: Float32, labels: NDArray[np.int64], settings: Settings, seed: int
) -> HistGradientBoostingClassifier:
    if len(np.unique(labels)) < 2:
        raise InvalidInput("label", "the training rows of each fold need labels of both kinds")
    model = HistGradientBoostingClassifier(
        learning_rate=settings.learning_rate,
        max_iter=settings.max_iter,
        max_leaf_nodes=settings.max_leaf_nodes,
        min_samples_leaf=settings.min_samples_leaf,
        l2_regularization=settings.l2_regularization,
        early_stopping=cast(Any, False),  # it would hold out rows at random, across days
        random_state=seed,
    )
    # One thread each: where other processes want the cores, OpenMP's threads spin while they wait, up to seven times
    # as long as the work takes.
    with threadpool_limits(1, "openmp"):
        return model.fit(np.where(_absent(features), np.float32(0), features), labels)


def _out_of_fold(
    features: Float32, labels: NDArray[np.int64], fold: NDArray[np.int64], settings: Settings, seed: int
) -> Float64:
    log_odds = np.empty(len(labels))

    def predict(left_out: NDArray[np.bool_]) -> None:
        trees = _fit_trees(features[~left_out], labels[~left_out], settings, seed)
        log_odds[left_out] = trees.decision_function(features[left_out])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(predict, [fold == number for number in np.unique(fold)]))
    return log_odds


def _calibrate(log_odds: Float64, labels: NDArray[np.int64]) -> Calibration:
    """Trees without any skill out of fold would get a negative slope; then the share of late flights is all we know."""
    model = LogisticRegression(C=1e6).fit(log_odds.reshape(-1, 1), labels)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    return Calibration(slope, intercept) if slope > 0 else Calibration(0.0, float(logit(labels.mean())))


def _cross_calibrated(log_odds: Float64, labels: NDArray[np.int64], fold: NDArray[np.int64]) -> Float32:
    scores = np.empty((len(labels), 1), dtype=np.float32)
    for number in np.unique(fold):
        left_out = fold == number
        calibration = _calibrate(log_odds[~left_out], labels[~left_out])
        scores[left_out, 0] = calibration.apply(log_odds[left_out])
    return scores


def _check(onnx: bytes, features: Float32, expected: Float64) -> None:
    difference = float(np.max(np.abs(probabilities(onnx, features)[:, 1] - expected)))
    if not difference <= LARGEST_DIFFERENCE:
        raise DriftlineError(f"the ONNX graph differs from the trees by {difference:.2g} in a probability")
