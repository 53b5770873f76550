"""A model's answers to many requests that ran as one."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import prod
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from services.inference.domain.answer import Answer
from services.inference.domain.asked import Asked

_MOST_TEMPLATES = 1_000
# Of an answer: its rows, the outputs asked for (None: all), and the lengths of every output after the rows.
_Shape = tuple[int, tuple[str, ...] | None, tuple[tuple[int, ...], ...]]
Outputs = Mapping[str, NDArray[Any]]


class _Template(NamedTuple):
    """A body in JSON with places for the id and the data of each of these outputs, by number."""

    text: bytes
    places: tuple[int, ...]


class Answers:
    """Writes a model's answers; what all of them share is written once. A number that is not finite is null."""

    def __init__(self, model: str, digest: str, datatypes: Mapping[str, str]) -> None:
        self._head = b'{"model_name":%b,"model_version":%b,"id":' % (orjson.dumps(model), orjson.dumps(digest))
        self._datatypes = dict(datatypes)
        self._templates: dict[_Shape, _Template] = {}
        self._tensor_heads = {
            name: b'{"name":%b,"datatype":%b,"shape":' % (orjson.dumps(name), orjson.dumps(datatype))
            for name, datatype in datatypes.items()
        }

    @property
    def has_strings(self) -> bool:
        """Whether an output holds strings, whose bytes tell their lengths."""
        return "BYTES" in self._datatypes.values()

    def write(self, asked: Sequence[Asked], outputs: Outputs) -> list[Answer]:
        """An answer in JSON for each request; `outputs` by name hold the rows of all of them, in order."""
        tails = tuple([output.shape[1:] for output in outputs.values()])
        rows = [each.rows for each in asked]
        pieces = [_pieces(output, rows, prod(tail)) for output, tail in zip(outputs.values(), tails, strict=True)]
        ids = [orjson.dumps(each.id) for each in asked]
        shapes = [(each.rows, each.outputs) for each in asked]
        templates = {shape: self._template((*shape, tails), outputs) for shape in set(shapes)}
        if len(templates) == 1:  # as nearly always
            text, places = templates[shapes[0]]
            columns = [pieces[place] for place in places]
            return [Answer(text % told) for told in zip(ids, *columns, strict=True)]
        answers: list[Answer] = []
        for shape, told, *data in zip(shapes, ids, *pieces, strict=True):
            text, places = templates[shape]
            answers.append(Answer(text % (told, *[data[place] for place in places])))
        return answers

    def _template(self, shape: _Shape, outputs: Outputs) -> _Template:
        known = self._templates.get(shape)
        if known is not None:
            return known
        rows, asked, tails = shape
        numbers = {name: number for number, name in enumerate(outputs)}
        tensors = b",".join(
            self._tensor_heads[name].replace(b"%", b"%%")
            + b'[%d%b],"data":[%%b]}' % (rows, _lengths(tails[numbers[name]]))
            for name in asked or numbers
        )
        text = self._head.replace(b"%", b"%%") + b'%b,"outputs":[' + tensors + b"]}"
        if len(self._templates) >= _MOST_TEMPLATES:
            self._templates.clear()
        made = _Template(text, tuple([numbers[name] for name in asked or numbers]))
        self._templates[shape] = made
        return made

    def write_binary(self, asked: Sequence[Asked], outputs: Outputs) -> list[Answer]:
        """As `write`, with all tensors as bytes behind the JSON."""
        rows = [each.rows for each in asked]
        widths = [output.nbytes // len(output) for output in outputs.values()]
        told = {count: b'"outputs":[%b]}' % self._tensors(count, outputs, widths) for count in set(rows)}
        answers: list[Answer] = []
        for each, content in zip(asked, _contents(list(outputs.values()), rows), strict=True):
            head = b"%b%b,%b" % (self._head, orjson.dumps(each.id), told[each.rows])
            answers.append(Answer(head + content, len(head)))
        return answers

    def _tensors(self, rows: int, outputs: Outputs, widths: Sequence[int]) -> bytes:
        return b",".join(
            b'%b[%d%b],"parameters":{"binary_data_size":%d}}'
            % (self._tensor_heads[name], rows, _lengths(output.shape[1:]), rows * width)
            for (name, output), width in zip(outputs.items(), widths, strict=True)
        )


def _contents(outputs: Sequence[NDArray[Any]], rows: Sequence[int]) -> list[bytes]:
    """For each request the bytes of its rows of all outputs, one output after the other."""
    if len(set(rows)) > 1:
        ends = list(accumulate(rows))
        return [
            b"".join([output[end - count : end].tobytes() for output in outputs])
            for end, count in zip(ends, rows, strict=True)
        ]
    columns = [
        np.frombuffer(output.tobytes(), np.uint8).reshape(len(rows), output.nbytes // len(rows)) for output in outputs
    ]
    content = np.concatenate(columns, axis=1).tobytes()
    size = len(content) // len(rows)
    return [content[number * size : (number + 1) * size] for number in range(len(rows))]


def _lengths(tail: tuple[int, ...]) -> bytes:
    """The lengths after the rows, as they stand in a JSON shape."""
    return b"".join(b",%d" % length for length in tail)


def _pieces(output: NDArray[Any], rows: Sequence[int], width: int) -> list[bytes]:
    """An output's values for each request as JSON without the brackets: `width` numbers in each of its rows."""
    flat = output.reshape(-1)
    ends = [width * end for end in accumulate(rows)]
    if flat.dtype == object or flat.dtype.kind in "US":  # strings hold commas
        return [
            orjson.dumps(flat[end - width * count : end].tolist())[1:-1] for end, count in zip(ends, rows, strict=True)
        ]
    numbers = orjson.dumps(np.ascontiguousarray(flat), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    if len(rows) == 1:
        return [numbers]
    each = numbers.split(b",")
    if len(each) == len(rows):
        return each
    return [b",".join(each[end - width * count : end]) for end, count in zip(ends, rows, strict=True)]
