"""What could read another file, hide or exhaust is refused before ONNX Runtime sees it."""

from pathlib import Path

import pytest

from services.inference.domain.onnx_file import SCHEMA, FileLimits, check_file
from services.inference.domain.operators import ALLOWED
from shared.errors import InvalidInput
from tests.bundles import DATA
from tests.unit.inference.onnx_writer import external, field, graph, node, regression, tensor, varint
from tests.unit.inference.onnx_writer import model as written

GOOD = (DATA / "small_binary_a.onnx").read_bytes()
EXTERNAL = external("secret.bin")
GRAPH = field(5, EXTERNAL)


def in_attribute(content: bytes, number: int = 5) -> bytes:
    return field(1, field(4, "If") + field(5, field(1, "value") + field(number, content)))


PLACES = {
    "initializer": field(7, GRAPH),
    "attribute": field(7, in_attribute(EXTERNAL)),
    "attribute's list": field(7, in_attribute(EXTERNAL, 10)),
    "subgraph": field(7, in_attribute(GRAPH, 6)),
    "subgraphs": field(7, in_attribute(GRAPH, 11)),
    "subgraph of a subgraph": field(7, in_attribute(in_attribute(GRAPH, 6), 6)),
    "names without the mark": field(7, field(5, external("secret.bin", 0))),
    "mark alone": field(7, field(5, field(14, 1))),
    "mark of ten bytes": field(7, field(5, varint(14 << 3) + b"\x81" + b"\x80" * 8 + b"\x00")),
    "tag of five bytes": field(7, field(5, b"\xf0\x80\x80\x80\x00\x01")),
    "second graph": field(7, b"") + field(7, GRAPH),
}


@pytest.mark.parametrize("place", PLACES)
def test_external_data_is_refused_wherever_it_is(place: str) -> None:
    with pytest.raises(InvalidInput, match="no external data"):
        check_file(GOOD + PLACES[place])


BROKEN = {
    "no protobuf": b"\xff" * 100,
    "cut short": GOOD[:-10],
    "a group": field(7, b"\x0b\x0c"),
    "field number 0": b"\x00\x00",
    "a tag beyond 32 bits": varint((14 << 3) + (1 << 35)) + b"\x01",
    "an endless number": b"\x08" + b"\x80" * 20,
    "a length beyond the end": b"\x3a\xff\xff\xff\xff\x0f",
    "ONNX Runtime's own format": b"\x1c\x00\x00\x00ORTM" + bytes(100),
    "nested too deep": b"",
}
for _ in range(200):
    BROKEN["nested too deep"] = in_attribute(BROKEN["nested too deep"], 6)
BROKEN["nested too deep"] = field(7, BROKEN["nested too deep"])


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_onnx_is_refused(case: str) -> None:
    with pytest.raises(InvalidInput, match=r"model\.onnx"):
        check_file(BROKEN[case])


NOT_SERVED = {
    "sparse tensor": (field(7, field(15, field(1, EXTERNAL))), "dense tensors"),
    "sparse indices": (field(7, field(15, field(2, EXTERNAL))), "dense tensors"),
    "sparse constant": (field(7, in_attribute(field(1, EXTERNAL), 22)), "dense tensors"),
    "function": (field(25, field(7, node("Relu", [], []))), "no functions"),
    "function's default": (field(25, field(11, field(5, EXTERNAL))), "no functions"),
    "training": (field(20, field(1, GRAPH)), "without a part for training"),
    "domain": (field(7, field(1, node("FusedGemm", [], [], domain="com.microsoft"))), "domain 'com.microsoft'"),
    "operator": (field(7, field(1, node("Loop", [], []))), "'Loop' is not among them"),
    "operator in a branch": (field(7, in_attribute(field(1, node("Loop", [], [])), 6)), "'Loop' is not among them"),
    "no operator": (field(7, field(1, b"")), "'' is not among them"),
    "last name counts": (field(7, field(1, field(4, "Relu") + field(4, "Loop"))), "'Loop' is not among them"),
    "huge tensor": (field(7, field(5, tensor("w", [0], [2**20, 2**20]))), "at most 268435456 elements"),
    "negative length": (field(7, field(5, tensor("w", [0], [-1]))), "at most 268435456 elements"),
}


@pytest.mark.parametrize("case", NOT_SERVED)
def test_what_hides_or_exhausts_is_refused_with_the_reason(case: str) -> None:
    content, reason = NOT_SERVED[case]
    with pytest.raises(InvalidInput, match=reason):
        check_file(GOOD + content)


LIMITS = {
    "at most 100 bytes": FileLimits(file_bytes=100),
    "at most 2 nodes": FileLimits(nodes=2),
    "at most 1 tensors": FileLimits(tensors=1),
    "at most 2 elements": FileLimits(elements=2),
}


@pytest.mark.parametrize("reason", LIMITS)
def test_what_is_too_large_is_refused(reason: str) -> None:
    tensors = [tensor("a", [1, 2, 3]), tensor("b", [1])]
    model = regression(*[node("Relu", ["features"], ["prediction"])] * 3, tensors=tensors)
    check_file(model)
    with pytest.raises(InvalidInput, match=reason):
        check_file(model, LIMITS[reason])


def test_graphs_may_be_nested_a_little() -> None:
    inner = b""
    for _ in range(10):
        inner = in_attribute(inner, 6)
    check_file(written(graph([]) + inner))


@pytest.mark.parametrize("path", sorted(DATA.glob("*.onnx")), ids=lambda path: path.name)
def test_a_good_file_passes(path: Path) -> None:
    check_file(path.read_bytes())


def test_every_field_of_onnx_that_leads_to_a_tensor_is_known() -> None:
    onnx = pytest.importorskip("onnx", reason="only where ONNX's own description is installed")
    messages = [*onnx.ModelProto.DESCRIPTOR.file.message_types_by_name.values()]
    reach, found = {"TensorProto"}, -1
    while found != len(reach):
        found = len(reach)
        reach |= {m.name for m in messages if any(f.message_type and f.message_type.name in reach for f in m.fields)}
    known = {
        m.name: {f.number: f.message_type.name for f in m.fields if f.message_type and f.message_type.name in reach}
        for m in messages
        if m.name in reach
    }
    assert known == SCHEMA


def test_every_operator_that_is_allowed_exists() -> None:
    onnx = pytest.importorskip("onnx", reason="only where ONNX's own description is installed")
    known = {(schema.domain, schema.name) for schema in onnx.defs.get_all_schemas_with_history()}
    assert {(domain.removesuffix("ai.onnx"), name) for domain in ALLOWED for name in ALLOWED[domain]} <= known
