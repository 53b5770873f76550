"""Many requests as one block for the model, and its outputs as an answer to each."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain, repeat
from math import prod
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from services.inference.domain.asked import Asked
from services.inference.domain.encoder import Encoded
from shared.errors import InvalidInput
from shared.features import Float32, Rows

_LARGEST = float(np.finfo(np.float32).max)
_MOST_TEMPLATES = 1_000
# Of an answer: its rows, the outputs asked for (None: all), and the lengths of every output after the rows.
_Shape = tuple[int, tuple[str, ...] | None, tuple[tuple[int, ...], ...]]
_SURELY_FINITE = 1e38  # a sum of squares below it: the cheapest of all checks, and it nearly always suffices


class Stacked(NamedTuple):
    """n rows of k requests: `tensor` float32 [n, F] as the graph takes them, the rest as they are logged."""

    tensor: Float32
    rows: Rows
    event_time: NDArray[np.datetime64]
    entity: list[str | None]


def stack(asked: Sequence[Asked]) -> Stacked:
    """All requests as one block; raises InvalidInput if one of them holds a number that is no finite FP32."""
    if all(isinstance(each.values, Encoded) for each in asked):
        tensor, rows = _encoded([each.values for each in asked])  # type: ignore[misc]  # all are
    else:
        tensor = _block(asked)
        rows = Rows(tensor, np.empty((len(tensor), 0), dtype=np.int32))
    return Stacked(tensor, rows, _times(asked), _entities(asked))


def _encoded(parts: list[Encoded]) -> tuple[Float32, Rows]:
    if len(parts) == 1:
        return parts[0].tensor, parts[0].rows
    numeric = np.concatenate([part.rows.numeric for part in parts])
    categorical = np.concatenate([part.rows.categorical for part in parts])
    return np.concatenate([part.tensor for part in parts]), Rows(numeric, categorical)


def _block(asked: Sequence[Asked]) -> Float32:
    if all(type(each.values) is list for each in asked):
        numbers = asked[0].values if len(asked) == 1 else list(chain.from_iterable(each.values for each in asked))  # type: ignore[misc]
        flat = _narrow(np.array(numbers))
    else:
        flat = np.concatenate([_flat(each.values) for each in asked])
    return flat.reshape(sum(each.rows for each in asked), -1)


def _flat(values: list[float] | NDArray[Any] | Encoded) -> Float32:
    if isinstance(values, Encoded):
        return values.tensor.ravel()
    return _narrow(np.asarray(values))


def _narrow(values: NDArray[Any]) -> Float32:
    """As float32; of numbers that came as such NaN is a value that is missing."""
    if not values.dot(values) < _SURELY_FINITE:
        missing = np.isnan(values) if values.dtype == np.float32 else np.False_
        if not np.all((np.abs(values) <= _LARGEST) | missing):
            raise InvalidInput("inputs[0].data", "finite numbers within FP32, or null if one is missing")
    return values.astype(np.float32, copy=False)


def _times(asked: Sequence[Asked]) -> NDArray[np.datetime64]:
    if len(asked) == 1 and not isinstance(asked[0].event_time, int):
        return asked[0].event_time
    if all(type(each.event_time) is int for each in asked):
        times = np.array([each.event_time for each in asked], dtype=np.int64)
        counts = [each.rows for each in asked]
        return (times if max(counts) == 1 else np.repeat(times, counts)).view("datetime64[us]")
    return np.concatenate([_time(each) for each in asked])


def _time(asked: Asked) -> NDArray[np.datetime64]:
    if isinstance(asked.event_time, int):
        return np.full(asked.rows, asked.event_time, dtype="datetime64[us]")
    return asked.event_time


def _entities(asked: Sequence[Asked]) -> list[str | None]:
    parts = (each.entity if isinstance(each.entity, list) else repeat(each.entity, each.rows) for each in asked)
    return list(chain.from_iterable(parts))


class Answers:
    """Writes a model's answers; what all of them share is written once. A number that is not finite is null."""

    def __init__(self, model: str, digest: str, datatypes: Mapping[str, str]) -> None:
        self._head = b'{"model_name":%b,"model_version":%b,"id":' % (orjson.dumps(model), orjson.dumps(digest))
        self._datatypes = dict(datatypes)
        self._templates: dict[_Shape, bytes] = {}
        self._tensor_heads = {
            name: b'{"name":%b,"datatype":%b,"shape":' % (orjson.dumps(name), orjson.dumps(datatype))
            for name, datatype in datatypes.items()
        }

    def write(self, asked: Sequence[Asked], outputs: Mapping[str, NDArray[Any]]) -> list[bytes]:
        """The body for each request; `outputs` by name hold the rows of all of them, in order."""
        counts = [each.rows for each in asked]
        tails = tuple(output.shape[1:] for output in outputs.values())
        pieces = [
            _pieces(output.reshape(-1), [count * prod(tail) for count in counts])
            for output, tail in zip(outputs.values(), tails, strict=True)
        ]
        every = {name: place for place, name in enumerate(outputs)}
        bodies: list[bytes] = []
        for each, data in zip(asked, zip(*pieces, strict=True), strict=True):
            key = (each.rows, each.outputs, tails)
            template = self._templates.get(key) or self._template(key, every)
            chosen = data if each.outputs is None else [data[every[name]] for name in each.outputs]
            bodies.append(template % (orjson.dumps(each.id), *chosen))
        return bodies

    def _template(self, key: _Shape, places: Mapping[str, int]) -> bytes:
        """The body with a place for the id and the data of each output."""
        rows, names, tails = key
        tensors = b",".join(
            self._tensor_heads[name].replace(b"%", b"%%")
            + b'[%d%b],"data":[%%b]}' % (rows, _lengths(tails[places[name]]))
            for name in names or places
        )
        if len(self._templates) >= _MOST_TEMPLATES:
            self._templates.clear()
        self._templates[key] = made = self._head.replace(b"%", b"%%") + b'%b,"outputs":[' + tensors + b"]}"
        return made

    def write_binary(self, asked: Sequence[Asked], outputs: Mapping[str, NDArray[Any]]) -> list[tuple[bytes, int]]:
        """As `write`, with all tensors as bytes behind the JSON; each body with the length of its JSON."""
        bodies: list[tuple[bytes, int]] = []
        start = 0
        for each in asked:
            parts = [output[start : start + each.rows].tobytes() for output in outputs.values()]
            tensors = b",".join(
                b'%b[%d%b],"parameters":{"binary_data_size":%d}}'
                % (self._tensor_heads[name], each.rows, _lengths(output.shape[1:]), len(part))
                for (name, output), part in zip(outputs.items(), parts, strict=True)
            )
            told = self._head + orjson.dumps(each.id) + b',"outputs":[' + tensors + b"]}"
            bodies.append((told + b"".join(parts), len(told)))
            start += each.rows
        return bodies

    @property
    def has_strings(self) -> bool:
        """Whether an output holds strings, whose bytes tell their lengths."""
        return "BYTES" in self._datatypes.values()


def _lengths(tail: tuple[int, ...]) -> bytes:
    """The lengths after the rows, as they stand in a JSON shape."""
    return b"".join(b",%d" % length for length in tail)


def _pieces(flat: NDArray[Any], sizes: list[int]) -> list[bytes]:
    """The values in pieces of these sizes, as JSON without the brackets."""
    if flat.dtype == object or flat.dtype.kind in "US":  # strings hold commas
        ends = list(accumulate(sizes))
        return [orjson.dumps(flat[end - size : end].tolist())[1:-1] for end, size in zip(ends, sizes, strict=True)]
    numbers = orjson.dumps(np.ascontiguousarray(flat), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    if len(sizes) == 1:
        return [numbers]
    each = numbers.split(b",")
    if len(each) == len(sizes):
        return each
    return [b",".join(each[end - size : end]) for end, size in zip(accumulate(sizes), sizes, strict=True)]
