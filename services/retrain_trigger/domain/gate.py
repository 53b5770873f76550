"""How good a model is on the holdout, and whether a challenger is good enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.definition import Gate
from shared.errors import InvalidInput

Values = NDArray[np.float64]
SMALLEST = 1e-7  # a float32 probability of 0 or 1 would make the log loss infinite


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger passes, and why."""

    passed: bool
    reason: str


def measure(labels: Values, scores: Values, kind: Literal["binary", "regression"]) -> dict[str, float]:
    """Metrics of n rows: `labels` float64 [n], `scores` float64 [n].

    Binary: `log_loss` (nats per row), `brier` (Brier 1950, one class), and `auc` (area under the ROC curve, higher is
    better; only where both classes occur). Regression: `squared_error`, `absolute_error` (means).
    """
    if kind == "regression":
        error = scores - labels
        return {"squared_error": float(np.mean(error**2)), "absolute_error": float(np.mean(np.abs(error)))}
    sure = np.clip(scores, SMALLEST, 1 - SMALLEST)
    log_loss = -np.mean(labels * np.log(sure) + (1 - labels) * np.log1p(-sure))
    found = {"log_loss": float(log_loss), "brier": float(np.mean((scores - labels) ** 2))}
    return found | ({"auc": _auc(labels, scores)} if 0 < labels.sum() < len(labels) else {})


def _auc(labels: Values, scores: Values) -> float:
    """The share of pairs of one row of each class that are in order, ties count half (Mann, Whitney 1947)."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    positive = labels.sum()
    negative = len(labels) - positive
    return float((rank[labels == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


def judge(gate: Gate, champion: Mapping[str, float], challenger: Mapping[str, float]) -> Verdict:
    """The gate's word: passed when champion - challenger >= margin in its metric, of which lower is better.

    Raises:
        InvalidInput: the gate's metric is not one of this kind of model.
    """
    if gate.metric not in champion:
        raise InvalidInput("gate.metric", f"{gate.metric} is none of {', '.join(champion)}")
    before, after = champion[gate.metric], challenger[gate.metric]
    gain = before - after
    passed = gain >= gate.margin
    compared = f"{gate.metric} {after:.4f} against the champion's {before:.4f}"
    needed = "at least" if passed else "less than"
    return Verdict(passed, f"{compared}: better by {gain:.4f}, {needed} the margin of {gate.margin:g}")
