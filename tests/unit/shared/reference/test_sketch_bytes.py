import struct
import zlib

from shared.reference import Sketch
from tests.unit.shared.reference.test_sketch import sketch_of

HEADER = struct.calcsize("<BIIQ")


def test_a_sketch_that_was_stored_number_by_number_is_still_read() -> None:
    sketch = sketch_of(slice(None))
    before = b"\x01" + sketch.content()[1:HEADER] + zlib.compress(sketch.content()[HEADER:], 1)
    assert Sketch.from_bytes(before).to_bytes() == sketch.to_bytes()


def test_equal_sketches_have_equal_content() -> None:
    assert sketch_of(slice(0, 9), slice(9, None)).content() == sketch_of(slice(None)).content()
    assert sketch_of(slice(0, 9)).content() != sketch_of(slice(None)).content()
