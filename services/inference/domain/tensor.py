"""A tensor of the Open Inference Protocol, its data in JSON or in binary."""

from dataclasses import dataclass
from itertools import chain
from math import prod
from types import NoneType
from typing import Any

from numpy.typing import NDArray

from services.inference.domain.binary import BYTES, DTYPES, Parts, read_binary
from services.inference.domain.body import checked_list, checked_object, checked_text
from services.inference.domain.parameters import read_parameters
from shared.errors import InvalidInput

NUMERIC = tuple(DTYPES)
DATATYPES = (*NUMERIC, BYTES)

_SIZE = "binary_data_size"
_NEEDED = frozenset({"name", "datatype", "shape"})
_FIELDS = _NEEDED | {"data", "parameters"}
_LONGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Tensor:
    """`data` is flat, in row-major order, as many values as `shape` says: a list from JSON (None is missing), an array
    of the datatype from binary (NaN is missing, perhaps unaligned), of BYTES always a list. `where` is its path in the
    request; `by_row` says that it was gathered from rows of named values.
    """

    where: str
    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | NDArray[Any]
    by_row: bool = False

    def at(self, position: int) -> str:
        """The path of a value in the request."""
        return f"{self.where}[{position}].{self.name}" if self.by_row else f"{self.where}.data[{position}]"


def read_tensor(value: Any, where: str, parts: Parts | None = None) -> Tensor:
    """A tensor from JSON; `data` may be flat or nested as `shape` says, or be the next of the binary `parts`.

    Raises:
        InvalidInput: a field is missing, unknown or wrong, or shape and data do not fit.
    """
    fields = checked_object(value, where, _NEEDED, _FIELDS)
    name = checked_text(fields["name"], f"{where}.name")
    datatype = fields["datatype"]
    if datatype not in DATATYPES:
        raise InvalidInput(f"{where}.datatype", f"one of {', '.join(DATATYPES)}")
    shape = _read_shape(fields["shape"], f"{where}.shape")
    known, _ = read_parameters(fields.get("parameters"), f"{where}.parameters", (_SIZE,))
    if _SIZE not in known:
        return Tensor(where, name, datatype, shape, _flat(fields.get("data"), shape, f"{where}.data"))
    if fields.get("data") is not None:
        raise InvalidInput(f"{where}.data", f"not both data and parameters.{_SIZE}")
    part = (parts or Parts(b"", None)).take(known[_SIZE], f"{where}.parameters.{_SIZE}")
    return Tensor(where, name, datatype, shape, read_binary(part, datatype, shape, where))


def _read_shape(value: Any, where: str) -> tuple[int, ...]:
    shape = checked_list(value, where)
    if not 1 <= len(shape) <= 2 or any(type(length) is not int or not 1 <= length <= _LONGEST for length in shape):
        raise InvalidInput(where, "[n] or [n, m], whole numbers of at least 1")
    return tuple(shape)


def _flat(value: Any, shape: tuple[int, ...], where: str) -> list[Any]:
    if value is None:
        raise InvalidInput(where, f"a JSON array, or parameters.{_SIZE}")
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
    if tensor.datatype != BYTES or not isinstance(tensor.data, list):
        raise InvalidInput(f"{tensor.where}.datatype", f"BYTES for {tensor.name}")
    if not set(map(type, tensor.data)) <= {str, NoneType}:
        position = next(at for at, value in enumerate(tensor.data) if type(value) not in (str, NoneType))
        raise InvalidInput(tensor.at(position), f"a string or null for {tensor.name}")
    return tensor.data
