"""Many requests as one block for the model."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.inference.domain.asked import Asked, Numbers
from services.inference.domain.encoder import Encoded
from shared.errors import InvalidInput
from shared.features import Float32, Rows

_LARGEST = float(np.finfo(np.float32).max)
_SURELY_FINITE = 1e38  # a sum of squares below it: the cheapest of all checks, and it nearly always suffices
_FEW = 8_192  # numbers: of more BLAS takes the sum in threads, which wait for each other where a core is shared


class Stacked(NamedTuple):
    """n rows of k requests: `tensor` float32 [n, F] as the graph takes them, `rows` as they are logged."""

    tensor: Float32
    rows: Rows


def stack(asked: Sequence[Asked]) -> Stacked:
    """All requests as one block; raises InvalidInput if one of them holds a number that is no finite FP32."""
    values = [each.values for each in asked]
    kinds = set(map(type, values))
    if kinds == {Encoded}:
        return _encoded(values)  # type: ignore[arg-type]  # all are
    if kinds == {list}:
        numbers = values[0] if len(values) == 1 else list(chain.from_iterable(values))  # type: ignore[arg-type]
        flat = _narrow(np.array(numbers, dtype=np.float64))
    elif kinds == {memoryview}:
        flat = _narrow(_from_bytes(values[0] if len(values) == 1 else b"".join(values)))  # type: ignore[arg-type]
    else:
        flat = np.concatenate([_flat(each) for each in values])
    tensor = flat.reshape(sum([each.rows for each in asked]), -1)
    return Stacked(tensor, Rows(tensor, np.empty((len(tensor), 0), dtype=np.int32)))


def _encoded(parts: list[Encoded]) -> Stacked:
    if len(parts) == 1:
        return Stacked(parts[0].tensor, parts[0].rows)
    numeric = np.concatenate([part.rows.numeric for part in parts])
    categorical = np.concatenate([part.rows.categorical for part in parts])
    return Stacked(np.concatenate([part.tensor for part in parts]), Rows(numeric, categorical))


def _flat(values: Numbers | Encoded) -> Float32:
    if isinstance(values, Encoded):
        return values.tensor.ravel()
    if isinstance(values, memoryview):
        return _narrow(_from_bytes(values))
    return _narrow(np.asarray(values, dtype=np.float64))


def _from_bytes(values: bytes | memoryview) -> Float32:
    return np.frombuffer(values, dtype="<f4")


def _narrow(values: NDArray[Any]) -> Float32:
    """As float32; of numbers that came as such NaN is a value that is missing."""
    if not _surely_finite(values):
        missing = np.isnan(values) if values.dtype == np.float32 else np.False_
        if not np.all((np.abs(values) <= _LARGEST) | missing):
            raise InvalidInput("inputs[0].data", "finite numbers within FP32, or null if one is missing")
    return values.astype(np.float32, copy=False)


def _surely_finite(values: NDArray[Any]) -> bool:
    """Whether all are finite FP32; False also where only a closer look can tell."""
    if len(values) <= _FEW:
        return bool(values.dot(values) < _SURELY_FINITE)
    return bool(values.min() >= -_LARGEST and values.max() <= _LARGEST)
