"""A model whose data lie in another file is refused before ONNX Runtime sees it."""

from pathlib import Path

import pytest

from services.inference.domain.onnx_file import SCHEMA, check_self_contained
from services.inference.models.loaded import open_session
from shared.errors import InvalidInput
from tests.bundles import DATA

GOOD = (DATA / "small_binary_a.onnx").read_bytes()


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(location: bytes, data_location: int = 1) -> bytes:
    entry = field(1, b"location") + field(2, location)
    return field(1, 3) + field(2, 1) + field(8, b"w") + field(13, entry) + field(14, data_location)


EXTERNAL = tensor(b"secret.bin")
GRAPH = field(5, EXTERNAL)


def in_attribute(content: bytes, number: int = 5) -> bytes:
    return field(1, field(5, field(1, b"value") + field(number, content)))


PLACES = {
    "initializer": field(7, GRAPH),
    "sparse values": field(7, field(15, field(1, EXTERNAL))),
    "sparse indices": field(7, field(15, field(2, EXTERNAL))),
    "attribute": field(7, in_attribute(EXTERNAL)),
    "attribute's list": field(7, in_attribute(EXTERNAL, 10)),
    "attribute's sparse tensor": field(7, in_attribute(field(1, EXTERNAL), 22)),
    "subgraph": field(7, in_attribute(GRAPH, 6)),
    "subgraphs": field(7, in_attribute(GRAPH, 11)),
    "subgraph of a subgraph": field(7, in_attribute(in_attribute(GRAPH, 6), 6)),
    "function": field(25, field(7, field(5, field(5, EXTERNAL)))),
    "function's default": field(25, field(11, field(5, EXTERNAL))),
    "training": field(20, field(1, GRAPH)),
    "names without the mark": field(7, field(5, tensor(b"secret.bin", 0))),
    "mark alone": field(7, field(5, field(14, 1))),
    "mark of ten bytes": field(7, field(5, varint(14 << 3) + b"\x81" + b"\x80" * 8 + b"\x00")),
    "tag of five bytes": field(7, field(5, b"\xf0\x80\x80\x80\x00\x01")),
    "second graph": field(7, b"") + field(7, GRAPH),
}


@pytest.mark.parametrize("place", PLACES)
def test_external_data_is_refused_wherever_it_is(place: str) -> None:
    with pytest.raises(InvalidInput, match="no external data"):
        check_self_contained(GOOD + PLACES[place])


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
        check_self_contained(BROKEN[case])


@pytest.mark.parametrize("path", sorted(DATA.glob("*.onnx")), ids=lambda path: path.name)
def test_a_file_with_all_its_data_inside_passes(path: Path) -> None:
    check_self_contained(path.read_bytes())
    assert open_session(path.read_bytes()).get_inputs()[0].name == "features"


def test_no_session_is_opened_for_a_file_that_names_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # ONNX Runtime looks for the data there
    (tmp_path / "secret.bin").write_bytes(bytes(12))
    with pytest.raises(InvalidInput, match="no external data"):
        open_session(GOOD + field(7, GRAPH))


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
