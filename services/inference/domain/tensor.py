"""A tensor of the Open Inference Protocol as JSON holds it."""

from dataclasses import dataclass
from itertools import chain
from math import prod
from types import NoneType
from typing import Any

import numpy as np

from services.inference.domain.body import checked_list, checked_object, checked_text
from shared.errors import InvalidInput
from shared.features import Float32

FLOATS = ("FP32", "FP64")
INTEGERS = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
NUMERIC = (*FLOATS, *INTEGERS)
BYTES = "BYTES"
DATATYPES = (*NUMERIC, BYTES)

_FIELDS = frozenset({"name", "datatype", "shape", "data"})
_OPTIONAL = _FIELDS | {"parameters"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """`data` is flat, in row-major order, as many values as `shape` says; `where` is its path in the request."""

    where: str
    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any]


def read_tensor(value: Any, where: str) -> Tensor:
    """A tensor from JSON; `data` may be flat or nested as `shape` says.

    Raises:
        InvalidInput: a field is missing, unknown or wrong, or shape and data do not fit.
    """
    fields = checked_object(value, where, _FIELDS, _OPTIONAL)
    if fields.get("parameters"):
        raise InvalidInput(f"{where}.parameters", "no parameters; data comes as JSON")
    name = checked_text(fields["name"], f"{where}.name")
    datatype = fields["datatype"]
    if datatype not in DATATYPES:
        raise InvalidInput(f"{where}.datatype", f"one of {', '.join(DATATYPES)}")
    shape = _read_shape(fields["shape"], f"{where}.shape")
    return Tensor(where, name, datatype, shape, _flat(fields["data"], shape, f"{where}.data"))


def _read_shape(value: Any, where: str) -> tuple[int, ...]:
    shape = checked_list(value, where)
    if not 1 <= len(shape) <= 2 or any(type(length) is not int or length < 1 for length in shape):
        raise InvalidInput(where, "[n] or [n, m], whole numbers of at least 1")
    return tuple(shape)


def _flat(value: Any, shape: tuple[int, ...], where: str) -> list[Any]:
    data = checked_list(value, where)
    if len(shape) == 2 and data and type(data[0]) is list:
        for position, row in enumerate(data):
            if type(row) is not list or len(row) != shape[1]:
                raise InvalidInput(f"{where}[{position}]", f"{shape[1]} values, as shape says")
        if len(data) != shape[0]:
            raise InvalidInput(where, f"{shape[0]} rows, as shape says, not {len(data)}")
        return list(chain.from_iterable(data))
    if len(data) != prod(shape):
        raise InvalidInput(where, f"{prod(shape)} values, as shape says, not {len(data)}")
    return data


def check_strings(tensor: Tensor) -> list[str | None]:
    """The values of a BYTES tensor, null for missing; raises InvalidInput."""
    if tensor.datatype != BYTES:
        raise InvalidInput(f"{tensor.where}.datatype", f"BYTES for {tensor.name}")
    if not set(map(type, tensor.data)) <= {str, NoneType}:
        position = next(at for at, value in enumerate(tensor.data) if type(value) not in (str, NoneType))
        raise InvalidInput(f"{tensor.where}.data[{position}]", f"a string or null for {tensor.name}")
    return tensor.data


def check_numbers(tensor: Tensor, datatypes: tuple[str, ...] = NUMERIC) -> None:
    """Every value is a number of the datatype, or null; raises InvalidInput. Not yet seen: NaN and infinities."""
    if tensor.datatype not in datatypes:
        raise InvalidInput(f"{tensor.where}.datatype", f"one of {', '.join(datatypes)} for {tensor.name}")
    whole = tensor.datatype in INTEGERS
    kinds = {int, NoneType} if whole else {float, int, NoneType}
    if not set(map(type, tensor.data)) <= kinds:
        position = next(at for at, value in enumerate(tensor.data) if type(value) not in kinds)
        number = "a whole number" if whole else "a number"
        raise InvalidInput(f"{tensor.where}.data[{position}]", f"{number} or null for {tensor.name}")
    if whole:
        _check_bounds(tensor)


def _check_bounds(tensor: Tensor) -> None:
    low, high = INTEGERS[tensor.datatype]
    for position, value in enumerate(tensor.data):
        if value is not None and not low <= value <= high:
            raise InvalidInput(f"{tensor.where}.data[{position}]", f"within {tensor.datatype}")


def to_float32(tensors: list[Tensor]) -> Float32:
    """Checked numeric tensors of the same length n as float32 [len(tensors), n]; null is NaN.

    Raises:
        InvalidInput: a value is NaN, infinite or beyond FP32.
    """
    columns = [tensor.data for tensor in tensors]
    try:
        with np.errstate(over="ignore"):
            block = np.array(columns, dtype=np.float32)
    except OverflowError:  # a whole number beyond any float
        raise _infinite(tensors) from None
    infinite = block.size - int(np.isfinite(block).sum())
    if infinite and infinite != sum(column.count(None) for column in columns):
        raise _infinite(tensors)
    return block


def _infinite(tensors: list[Tensor]) -> InvalidInput:
    largest = float(np.finfo(np.float32).max)
    for tensor in tensors:
        for position, value in enumerate(tensor.data):
            if value is not None and not -largest <= value <= largest:
                where = f"{tensor.where}.data[{position}]"
                return InvalidInput(where, f"a finite number within FP32 for {tensor.name}, or null if it is missing")
    return InvalidInput(tensors[0].where, "finite numbers within FP32")
