"""What a score costs once its label is known."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shared.definition import LabelKind

Float64 = NDArray[np.float64]

SMALLEST = 1e-7  # a float32 probability of 0 or 1 would make the log loss infinite
METRICS: Mapping[LabelKind, tuple[str, ...]] = {
    "binary": ("log_loss", "brier", "error_rate"),
    "regression": ("squared_error", "absolute_error", "bounded_error"),
}
# The loss that the alarm on risk looks at: it lies in [0, 1].
RISK: Mapping[LabelKind, str] = {"binary": "brier", "regression": "bounded_error"}


def losses(kind: LabelKind, labels: Float64, scores: Float64, bound: float) -> Float64:
    """The losses of n rows, float64 [n, 3], in the order of METRICS, from labels and scores float64 [n].

    Binary: `log_loss` (nats; probabilities within [1e-7, 1 - 1e-7]), `brier` (Brier 1950, one class), `error_rate` (1
    where the score, 0.5 or more for class 1, says the wrong class: one minus the accuracy).
    Regression: `squared_error`, `absolute_error`, and `bounded_error`, which is min(|error|, bound) / bound.
    """
    if kind == "regression":
        error = np.abs(scores - labels)
        with np.errstate(over="ignore"):  # an error of 1e200 costs an infinity; who adds such losses up bounds them
            return np.column_stack([error**2, error, np.minimum(error, bound) / bound])
    sure = np.clip(scores, SMALLEST, 1 - SMALLEST)
    log_loss = -(labels * np.log(sure) + (1 - labels) * np.log1p(-sure))
    wrong = (scores >= 0.5) != (labels == 1)
    return np.column_stack([log_loss, (scores - labels) ** 2, wrong.astype(np.float64)])


def signals(kind: LabelKind, labels: Float64, scores: Float64) -> Float64:
    """What a score's calibration is judged by, float64 [n]: the label itself, for regression how far it is above."""
    return labels - scores if kind == "regression" else labels
