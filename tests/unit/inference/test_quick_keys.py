"""The quick readers leave it to the careful one to refuse a key that stands twice."""

import json

import pytest

from services.inference.domain.quick import Reads, read_quick, read_quick_binary
from tests.unit.inference.wire import LENGTH, body_of, sent

READS = Reads("m", 3, 5_000)
PARAMETERS = '{"event_time": "2013-03-15T16:00:00Z", "entity": "a:b"}'


def body_with(rows: int, parameters: str = PARAMETERS) -> bytes:
    data = json.dumps([0.5] * 3 * rows)
    block = f'{{"name": "features", "datatype": "FP32", "shape": [{rows}, 3], "data": {data}}}'
    return f'{{"id": "x:1", "parameters": {parameters}, "inputs": [{block}]}}'.encode()


@pytest.mark.parametrize("rows", [1, 1_000])
@pytest.mark.parametrize("key", ["id", "inputs", "parameters", "name", "datatype", "shape", "data", "event_time"])
def test_a_block_in_json_with_a_key_twice_is_not_taken(key: str, rows: int) -> None:
    body = body_with(rows)
    assert read_quick(READS, body, 0) is not None
    doubled = body.replace(f'"{key}":'.encode(), f'"{key}" : 1, "{key}":'.encode(), 1)
    assert read_quick(READS, doubled, 0) is None


@pytest.mark.parametrize("rows", [1, 1_000])
@pytest.mark.parametrize(
    "parameters", ["{}", '{"entity": "N1"}', '{"event_time": "2013-03-15T16:00:00Z"}', '{"binary_data_output": true}']
)
def test_a_block_in_json_with_each_key_once_is_taken(parameters: str, rows: int) -> None:
    assert read_quick(READS, body_with(rows, parameters), 0) is not None


@pytest.mark.parametrize("rows", [1, 1_000])
@pytest.mark.parametrize("colon", ["\\u003a", "\\u003A"])
def test_an_escaped_colon_hides_no_second_key(colon: str, rows: int) -> None:
    body = body_with(rows).replace(b"x:1", colon.encode())
    assert json.loads(body)["id"] == ":"
    doubled = body.replace(b'"shape":', b'"shape": [1, 3], "shape":')
    assert read_quick(READS, doubled, 0) is None


def test_a_binary_block_with_a_key_twice_is_not_taken() -> None:
    body, headers = body_of(sent("features", [1, 2, 3], shape=[1, 3]), id="x:1", parameters=json.loads(PARAMETERS))
    length = int(headers[LENGTH])
    assert read_quick_binary(READS, body, length, 0) is not None
    for key in (b"id", b"name", b"binary_data_size", b"entity"):
        doubled = body[:length].replace(b'"' + key + b'":', b'"' + key + b'": 1, "' + key + b'":', 1)
        assert read_quick_binary(READS, doubled + body[length:], len(doubled), 0) is None
