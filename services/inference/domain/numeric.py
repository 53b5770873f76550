"""Numeric tensors: every value checked, and made float32."""

from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.inference.domain.binary import DTYPES
from services.inference.domain.tensor import NUMERIC, Tensor
from shared.errors import InvalidInput
from shared.features import Float32

_BOUNDS = {
    name: (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) for name, dtype in DTYPES.items() if dtype.kind in "iu"
} | {"FP16": (-65504, 65504)}
_FLOAT = (frozenset({float, int, NoneType}), "a number")
_WHOLE = (frozenset({int, NoneType}), "a whole number")
_TRUTH = (frozenset({bool, NoneType}), "true or false")
_KINDS = {name: {"f": _FLOAT, "b": _TRUTH}.get(dtype.kind, _WHOLE) for name, dtype in DTYPES.items()}


def check_numbers(tensor: Tensor, datatypes: tuple[str, ...] = NUMERIC) -> None:
    """Every value is one of the datatype, or null; raises InvalidInput. Not yet seen: NaN and infinities."""
    if tensor.datatype not in datatypes:
        raise InvalidInput(f"{tensor.where}.datatype", f"one of {', '.join(datatypes)} for {tensor.name}")
    if not isinstance(tensor.data, list):
        return
    kinds, told = _KINDS[tensor.datatype]
    if not set(map(type, tensor.data)) <= kinds:
        position = next(at for at, value in enumerate(tensor.data) if type(value) not in kinds)
        raise InvalidInput(tensor.at(position), f"{told} or null for {tensor.name}")
    if tensor.datatype in _BOUNDS:
        _check_bounds(tensor, *_BOUNDS[tensor.datatype])


def _check_bounds(tensor: Tensor, low: int, high: int) -> None:
    for position, value in enumerate(tensor.data):
        if value is not None and not low <= value <= high:
            raise InvalidInput(tensor.at(position), f"within {tensor.datatype}")


def to_float32(tensors: list[Tensor]) -> Float32:
    """Checked numeric tensors of the same length n as float32 [len(tensors), n]; null is NaN, in binary NaN, too.

    A single FP32 tensor in binary stays where it is if it is aligned there.

    Raises:
        InvalidInput: a value is infinite or beyond FP32, or NaN in JSON.
    """
    try:
        with np.errstate(over="ignore"):
            block = _block(tensors)
    except OverflowError:  # a whole number beyond any float
        raise _infinite(tensors) from None
    if not np.isfinite(block).all() and _strange(tensors, block):
        raise _infinite(tensors)
    return block


def _block(tensors: list[Tensor]) -> Float32:
    columns = [tensor.data for tensor in tensors]
    if all(tensor.datatype != "FP16" and isinstance(tensor.data, list) for tensor in tensors):
        return np.array(columns, dtype=np.float32)
    if len(columns) == 1 and isinstance(columns[0], np.ndarray):
        return np.require(columns[0].reshape(1, -1), np.float32, "A")
    block = np.empty((len(columns), len(columns[0])), dtype=np.float32)
    for row, tensor in zip(block, tensors, strict=True):
        row[:] = tensor.data
        if tensor.datatype == "FP16":  # what JSON says with more digits is rounded as the client's own type would be
            row[:] = row.astype(np.float16)
    return block


def _strange(tensors: list[Tensor], block: Float32) -> bool:
    """Whether there is more that is not finite than values that are missing."""
    missing = sum(
        tensor.data.count(None) if isinstance(tensor.data, list) else int(np.isnan(row).sum())
        for tensor, row in zip(tensors, block, strict=True)
    )
    return bool(block.size - np.isfinite(block).sum() != missing)


def _infinite(tensors: list[Tensor]) -> InvalidInput:
    for tensor in tensors:
        strange = _first_strange(tensor.data)
        if strange is not None:
            expected = f"a finite number within FP32 for {tensor.name}, or null if it is missing"
            return InvalidInput(tensor.at(strange), expected)
    return InvalidInput(tensors[0].where, "finite numbers within FP32")


def _first_strange(data: list[Any] | NDArray[Any]) -> int | None:
    """The position of the first infinity, or number that float32 can't hold, or NaN from JSON."""
    if isinstance(data, list):
        largest = float(np.finfo(np.float32).max)
        found = (at for at, value in enumerate(data) if value is not None and not -largest <= value <= largest)
        return next(found, None)
    with np.errstate(over="ignore"):
        infinite = np.flatnonzero(np.isinf(data.astype(np.float32)))
    return int(infinite[0]) if len(infinite) else None
