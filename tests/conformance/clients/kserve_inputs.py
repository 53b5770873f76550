"""Requests as both of kserve's clients take them."""

from typing import Any

import numpy as np
from checks import BLOCK, COLUMNS
from kserve import InferInput, InferRequest


def columns(rows: int, binary: bool) -> list[InferInput]:
    found = []
    for name, values in COLUMNS.items():
        datatype, dtype = ("BYTES", np.object_) if name == "carrier" else ("FP32", np.float32)
        each = InferInput(name, [rows], datatype)
        each.set_data_from_numpy(np.array(values[:rows], dtype=dtype), binary_data=binary)
        found.append(each)
    return found


def block(binary: bool, width: int = 3) -> list[InferInput]:
    rows = np.array(BLOCK, dtype=np.float32)[:, :width]
    each = InferInput("features", list(rows.shape), "FP32")
    each.set_data_from_numpy(rows, binary_data=binary)
    return [each]


def request(model: str, inputs: list[InferInput], **options: Any) -> InferRequest:
    return InferRequest(model, inputs, **options)


def probabilities(answer: Any) -> Any:
    return answer.get_output_by_name("probabilities").as_numpy()
