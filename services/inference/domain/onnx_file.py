"""A look into an ONNX file before ONNX Runtime sees it: what could read another file, hide or exhaust is refused.

ONNX Runtime follows the names of external data, links included, to any file that the process can read. This reads just
the fields of onnx.proto that can hold a tensor or an operator, at any depth.
"""

from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

from services.inference.domain.operators import why_refused
from services.inference.domain.protobuf import Malformed, fields, varints
from shared.errors import InvalidInput

FILE = "model.onnx"
FEATURES = "features"  # the one input of every bundle's graph

# Message → field number → message inside; the fields of onnx.proto through which a TensorProto can be reached.
SCHEMA: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "TensorProto": {},
}
_REFUSED = {
    "SparseTensorProto": "dense tensors: a sparse one of few bytes may stand for any number of them",
    "TrainingInfoProto": "a graph for inference, without a part for training",
    "FunctionProto": "no functions of its own: export the graph with them inlined",
}
_DIMS, _TENSOR_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 1, 8, 13, 14  # of TensorProto
_TOP = 2  # depth of the nodes and tensors that are in no branch
_INPUT, _OPERATOR, _DOMAIN = 1, 4, 7  # of NodeProto


@dataclass(frozen=True)
class FileLimits:
    """The most that a file may hold; `elements` of one tensor, `nodes` and `tensors` at all depths together."""

    file_bytes: int = 2**30
    elements: int = 2**28
    nodes: int = 50_000
    tensors: int = 50_000
    depth: int = 32


class Divisors(NamedTuple):
    """Names of the values that a graph divides by; `fixed` are those of all values that the file holds."""

    names: frozenset[str]
    fixed: frozenset[str]


def check_file(model: bytes, limits: FileLimits | None = None) -> Divisors:
    """What the graph divides by.

    Raises:
        InvalidInput: `model` is no ONNX protobuf that has all its data inside, uses operators that are allowed, and
            keeps within the limits.
    """
    limits = limits or FileLimits()
    if len(model) > limits.file_bytes:
        raise InvalidInput(FILE, f"at most {limits.file_bytes} bytes, not {len(model)}")
    if model[4:8] == b"ORTM":  # ONNX Runtime's own format, which it would recognise by these bytes
        raise InvalidInput(FILE, "an ONNX protobuf, not ONNX Runtime's own format")
    look = _Look(limits)
    try:
        look.into(memoryview(model), "ModelProto", 0)
    except Malformed as error:
        raise InvalidInput(FILE, f"an ONNX protobuf; {error}") from None
    return Divisors(frozenset(look.divisors), frozenset(look.fixed))


@dataclass
class _Look:
    """One walk through a file; counts what it meets."""

    limits: FileLimits
    divisors: set[str] = field(default_factory=set)
    fixed: set[str] = field(default_factory=set)
    met: dict[str, int] = field(default_factory=lambda: {"NodeProto": 0, "TensorProto": 0})

    def into(self, buffer: memoryview, message: str, depth: int) -> None:
        if message in _REFUSED:
            raise InvalidInput(FILE, _REFUSED[message])
        if depth > 3 * self.limits.depth:  # a graph within a graph lies in an attribute of a node
            raise InvalidInput(FILE, f"graphs nested at most {self.limits.depth} deep")
        if message == "NodeProto":
            self._node(buffer, depth)
        elif message == "TensorProto":
            name = self._tensor(buffer)
            if depth == _TOP:
                self.fixed.add(name)
            return
        known = SCHEMA[message]
        for number, value in fields(buffer):
            if number in known and isinstance(value, memoryview):
                self.into(value, known[number], depth + 1)

    def _node(self, buffer: memoryview, depth: int) -> None:
        self._count("NodeProto", self.limits.nodes, "nodes")
        operator = domain = ""
        inputs: list[str] = []
        for number, value in fields(buffer):
            if number == _OPERATOR:
                operator = _text(value)
            elif number == _DOMAIN:
                domain = _text(value)
            elif number == _INPUT:
                inputs.append(_text(value))
        wanted = why_refused(domain, operator)
        if wanted:
            raise InvalidInput(FILE, wanted)
        if operator == "Div":
            if depth > _TOP:  # a name may mean another value there
                raise InvalidInput(FILE, "no division in a branch of If")
            self.divisors.update(inputs[1:2])

    def _tensor(self, buffer: memoryview) -> str:
        self._count("TensorProto", self.limits.tensors, "tensors")
        dims: list[int] = []
        name = ""
        for number, value in fields(buffer):
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
                raise InvalidInput(FILE, "no external data: every tensor inside the file")
            if number == _TENSOR_NAME:
                name = _text(value)
            elif number == _DIMS:
                dims += [value] if isinstance(value, int) else varints(value)
        if prod(dims) > self.limits.elements:  # a negative length is huge, for a varint has no sign
            raise InvalidInput(FILE, f"tensors of at most {self.limits.elements} elements, not of shape {dims[:8]}")
        return name

    def _count(self, message: str, most: int, called: str) -> None:
        self.met[message] += 1
        if self.met[message] > most:
            raise InvalidInput(FILE, f"at most {most} {called}")


def _text(value: int | memoryview) -> str:
    if isinstance(value, int):
        raise Malformed("a name is a number")
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise Malformed("a name is no text") from None
