"""The score of a row: one number, however the model's graph names and shapes its outputs."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.features import Float32


def scores(outputs: Mapping[str, NDArray[Any]], kind: Literal["binary", "regression"]) -> Float32:
    """Scores float32 [n, 1] of n rows from a graph's outputs by name.

    Binary: column 1 of `probabilities` [n, 2]; regression: the first floating-point output, [n] or [n, 1].

    Raises:
        InvalidInput: the output is missing or has another shape.
    """
    if kind == "binary":
        found = outputs.get("probabilities")
        if found is None or found.ndim != 2 or found.shape[1] != 2:
            raise InvalidInput("outputs.probabilities", "a binary model gives probabilities of shape [n, 2]")
        return np.ascontiguousarray(found[:, 1:2], dtype=np.float32)
    floating = (output for output in outputs.values() if np.issubdtype(output.dtype, np.floating))
    first = next(floating, None)
    if first is None or first.ndim > 2 or (first.ndim == 2 and first.shape[1] != 1):
        raise InvalidInput("outputs.prediction", "a regression model gives floating-point numbers of shape [n, 1]")
    return np.ascontiguousarray(first.reshape(-1, 1), dtype=np.float32)
