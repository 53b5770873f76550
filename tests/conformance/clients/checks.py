"""What the client scripts share: the case they are given, the checks they register, the report they write.

A script is run as `python SCRIPT CASE REPORT` in an environment where the clients are and Driftline is not.
"""

import asyncio
import inspect
import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = {"temp": [50, 70.5, 20], "wind": [10, 3, 4], "carrier": ["AA", "UA", "DL"]}
BLOCK = [[70, 3, 1], [20, 4, 0.5]]
NOBODY = "nobody"


@dataclass(frozen=True)
class Case:
    """Where the server is (`host:port`), a client's token, and of both models digest and expected probabilities."""

    http: str
    grpc: str
    token: str
    digests: dict[str, str]
    probabilities: dict[str, list[list[float]]]
    binary: bool

    @property
    def bearer(self) -> str:
        """The value of the header or metadata."""
        return f"Bearer {self.token}"

    def same(self, model: str, found: Any, rows: int | None = None) -> None:
        """The probabilities are, bit for bit, what the model gives in process."""
        expected = np.array(self.probabilities[model][:rows], dtype=np.float32)
        assert found.dtype == np.float32, found.dtype
        assert found.shape == expected.shape, (found.shape, expected.shape)
        assert np.array_equal(found, expected), (found, expected)

    def need_binary(self) -> None:
        """Skips a check while the server does not say that it takes binary tensors."""
        if not self.binary:
            raise Skipped("the server's metadata does not list binary_tensor_data")


class Skipped(Exception):
    """A check does not apply; the text says why."""


CHECKS: dict[str, Callable[[Case], Any]] = {}


def check(function: Callable[[Case], Any]) -> Callable[[Case], Any]:
    """Register a check; its name is the function's, and it fails by raising."""
    CHECKS[function.__name__] = function
    return function


def refused(kind: type[Exception], text: Callable[[Any], str], words: str, call: Callable[[], Any]) -> None:
    """The call raises the client's own exception, in whose text stand these words of the server."""
    try:
        call()
    except kind as error:
        assert words in text(error), text(error)
    else:
        raise AssertionError(f"no {kind.__name__}")


def main() -> None:
    """Run all checks and write what became of each: `passed`, `skipped: why` or a traceback."""
    case = Case(**json.loads(Path(sys.argv[1]).read_text()))
    report: dict[str, str] = {}
    for name, function in CHECKS.items():
        try:
            result = function(case)
            if inspect.iscoroutine(result):
                asyncio.run(result)
            report[name] = "passed"
        except Skipped as reason:
            report[name] = f"skipped: {reason}"
        except Exception:  # noqa: BLE001  # whatever a client raises is the report
            report[name] = traceback.format_exc()
    Path(sys.argv[2]).write_text(json.dumps(report))
