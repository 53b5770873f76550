"""ONNX Runtime alone: `python -m benchmarks.inference.limit MODEL ROWS SECONDS` prints calls a second."""

import sys
import time

import numpy as np
import onnxruntime as ort

from benchmarks.inference.models import rows
from benchmarks.inference.plain import OPTIONS


def main(model: str, count: int, seconds: float) -> None:
    """Run for a while."""
    session = ort.InferenceSession(model, OPTIONS, providers=["CPUExecutionProvider"])
    blocks = [np.ascontiguousarray(rows(count, seed)) for seed in range(8)]
    for block in blocks:
        session.run(None, {"features": block})
    calls, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        for block in blocks:
            session.run(None, {"features": block})
        calls += len(blocks)
    print(calls / took)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
