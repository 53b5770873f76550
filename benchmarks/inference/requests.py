"""The bytes of requests: 32 different ones of each kind, which clients post in turn."""

import json
from typing import Literal

from benchmarks.inference.models import WIDTH, rows

Form = Literal["json", "binary"]
_DIFFERENT = 32


def posts(path: str, count: int, form: Form, token: str = "") -> list[bytes]:
    """Requests of `count` rows."""
    return [_post(path, *_body(count, form, seed), token) for seed in range(_DIFFERENT)]


def _body(count: int, form: Form, seed: int) -> tuple[bytes, str]:
    block = rows(count, seed)
    tensor = {"name": "features", "datatype": "FP32", "shape": [count, WIDTH]}
    if form == "json":
        data = [round(value, 4) for value in block.ravel().tolist()]
        return json.dumps({"inputs": [{**tensor, "data": data}]}).encode(), ""
    told = {"inputs": [{**tensor, "parameters": {"binary_data_size": block.nbytes}}]}
    head = json.dumps({**told, "parameters": {"binary_data_output": True}}).encode()
    return head + block.tobytes(), f"Inference-Header-Content-Length: {len(head)}\r\n"


def _post(path: str, body: bytes, line: str, token: str) -> bytes:
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}{line}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
