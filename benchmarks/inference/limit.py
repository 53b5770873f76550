"""ONNX Runtime alone: `python -m benchmarks.inference.limit MODEL SECONDS ROWS ...` prints calls a second for each."""

import sys
import time
from typing import Any

import numpy as np

from benchmarks.inference.data import rows
from benchmarks.inference.plain import open_session


def calls_a_second(session: Any, count: int, seconds: float) -> float:
    """Run for a while."""
    blocks = [np.ascontiguousarray(rows(count, seed)) for seed in range(8)]
    for block in blocks:
        session.run(None, {"features": block})
    calls, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        for block in blocks:
            session.run(None, {"features": block})
        calls += len(blocks)
    return calls / took


if __name__ == "__main__":
    opened = open_session(sys.argv[1])
    for count in sys.argv[3:]:
        print(calls_a_second(opened, int(count), float(sys.argv[2])))
