"""Tensors as the protocol's extension `binary_tensor_data` writes them: behind the JSON, little-endian, row-major."""

import struct
from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput

LENGTH_HEADER = "Inference-Header-Content-Length"
BYTES = "BYTES"
DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
}

MOST_STRINGS = 100_000  # as many rows as a definition may allow; each costs a Python object
_LENGTH = struct.Struct("<I")


def read_length(header: str | None) -> int | None:
    """The bytes of JSON that the header `Inference-Header-Content-Length` tells, None without one; or InvalidInput."""
    if header is None:
        return None
    if not (header.isascii() and header.isdigit() and len(header) <= 20):
        raise InvalidInput(LENGTH_HEADER, "the number of bytes of the JSON before the binary tensors")
    return int(header)


class Parts:
    """The binary tensors of a body, taken one after the other; `json_length` None says that there are none."""

    def __init__(self, body: bytes, json_length: int | None) -> None:
        if json_length is not None and json_length > len(body):
            raise InvalidInput(LENGTH_HEADER, f"at most the {len(body)} bytes of the body")
        self._told = json_length is not None
        self._left = memoryview(body)[len(body) if json_length is None else json_length :]

    def take(self, size: Any, where: str) -> memoryview:
        """The next `size` bytes; `where` is the path of the size. Raises InvalidInput."""
        if type(size) is not int or size < 0:
            raise InvalidInput(where, "a number of bytes")
        if not self._told:
            raise InvalidInput(LENGTH_HEADER, f"the number of bytes of the JSON, for there is {where}")
        if size > len(self._left):
            raise InvalidInput(where, f"at most {len(self._left)} bytes, for so many are left of the body")
        part, self._left = self._left[:size], self._left[size:]
        return part

    def check_end(self) -> None:
        """Raises InvalidInput if bytes are left."""
        if len(self._left):
            raise InvalidInput("body", f"nothing behind the last binary tensor; {len(self._left)} bytes are left")


def read_binary(part: memoryview, datatype: str, shape: tuple[int, ...], where: str) -> list[Any] | NDArray[Any]:
    """The elements of a tensor, flat: a view of `part`, perhaps unaligned; of BYTES a list of strings.

    Raises:
        InvalidInput: of another length than datatype and shape say, a BOOL that is neither 0 nor 1, text that is not
            UTF-8, or more than 100,000 strings; `where` is the tensor's path.
    """
    count = prod(shape)
    if datatype == BYTES:
        return _read_strings(part, count, where)
    dtype = DTYPES[datatype]
    if len(part) != count * dtype.itemsize:
        size = f"{count * dtype.itemsize} bytes, {count} of {datatype} as shape says"
        raise InvalidInput(f"{where}.parameters.binary_data_size", f"{size}, not {len(part)}")
    if datatype == "BOOL" and count and np.frombuffer(part, np.uint8).max() > 1:
        raise InvalidInput(f"{where}.data", "bytes of 0 and 1 for BOOL")
    return np.frombuffer(part, dtype)


def _read_strings(part: memoryview, count: int, where: str) -> list[Any]:
    """Each is a length of 4 bytes and so many bytes of UTF-8."""
    if count > MOST_STRINGS:
        raise InvalidInput(f"{where}.shape", f"at most {MOST_STRINGS} strings")
    content, texts, at = bytes(part), [], 0
    for position in range(count):
        start = at + _LENGTH.size
        at = start + _LENGTH.unpack_from(content, at)[0] if start <= len(content) else start
        if at > len(content):
            raise InvalidInput(f"{where}.data[{position}]", "its length in 4 bytes, and as many bytes")
        try:
            texts.append(content[start:at].decode())
        except UnicodeDecodeError:
            raise InvalidInput(f"{where}.data[{position}]", "text in UTF-8") from None
    if at != len(content):
        raise InvalidInput(f"{where}.parameters.binary_data_size", f"{at} bytes for {count} strings")
    return texts


def write_binary(array: NDArray[Any], datatype: str) -> bytes:
    """The elements of `array`, row-major, as `read_binary` reads them."""
    if datatype == BYTES:
        return b"".join(_strings(array.ravel().tolist()))
    return array.astype(DTYPES[datatype], copy=False).tobytes()


def _strings(values: Iterable[Any]) -> Iterable[bytes]:
    for value in values:
        content = value if isinstance(value, bytes) else str(value).encode()
        yield _LENGTH.pack(len(content))
        yield content
