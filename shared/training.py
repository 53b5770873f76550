"""What a model's training function takes and gives. A definition names it as `module:function`."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.features import Float32

Hyperparameters = Mapping[str, int | float | str | bool]


@dataclass(frozen=True)
class TrainingData:
    """n labelled rows in order of event time.

    `features` float32 [n, F] as `shared.features.model_input` gives them (a category is its code, unseen and missing
    are NaN); `labels` float64 [n]; `event_time` datetime64[us] [n] UTC; `names` the F features; `categories` the list
    of each categorical feature, whose positions are the codes.
    """

    features: Float32
    labels: NDArray[np.float64]
    event_time: NDArray[np.datetime64]
    names: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        count = len(self.labels)
        if self.features.shape != (count, len(self.names)) or len(self.event_time) != count:
            raise InvalidInput("training data", f"{count} rows of {len(self.names)} features with event times")
        if np.any(self.event_time[1:] < self.event_time[:-1]):
            raise InvalidInput("event_time", "rows must be in order of event time")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Fitted:
    """A trained model as its ONNX graph, with scores of rows it was not fitted on.

    `onnx` has one input `features` float32 [n, F] and gives `label` and `probabilities` float32 [n, 2] (binary) or
    `prediction` (regression). `out_of_fold` float32 [n, k] are scores of the training rows, each by a model that has
    not seen the row; NaN where there is none. `notes` say what people should know, such as a feature left out.
    """

    onnx: bytes
    out_of_fold: Float32
    notes: tuple[str, ...] = ()


class TrainingFunction(Protocol):
    """Deterministic: the same data, hyperparameters and seed give the same bytes.

    Raises:
        InvalidInput: a hyperparameter is unknown or out of bounds, or the data can't be trained on.
    """

    def __call__(self, data: TrainingData, hyperparameters: Hyperparameters, seed: int) -> Fitted:
        """Train on `data`."""
        ...


def training_function(path: str) -> TrainingFunction:
    """The function at `module:function`.

    Raises:
        InvalidInput: no such module, or no such function in it.
    """
    module_name, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInput("training.function", f"{path} can't be imported: {error}") from error
    if not callable(function):
        raise InvalidInput("training.function", f"{path} is not a function")
    return cast(TrainingFunction, function)
