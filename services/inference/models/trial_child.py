"""The process in which a graph runs first: `python -m services.inference.models.trial_child`.

JSON in its argument says how to try the file on stdin and within what limits; a line of JSON on stdout says what came
of it. It can open no file from then on, so a graph that would read one fails here, and dies with its parent.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

from services.inference.domain.onnx_file import check_file
from services.inference.models.probe import Inputs, probe
from services.inference.models.session import bound_arena, check_divisors, open_session
from shared.errors import InvalidInput

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_MEMORY = ("bad_alloc", "allocate memory", "vector::_M_default_append", "cannot create std::vector", "BFCArena")
_STATM = "/proc/self/statm"
_LONGEST_REASON = 300
LONGEST_ANSWER = 4_096


def main() -> None:
    """Try one graph."""
    out = _own_stdout()
    task = json.loads(sys.argv[1])
    _die_with(task["parent"])
    _go_first()
    memory = _Memory()
    bound_arena(task["arena_bytes"])
    _limit(task["seconds"], task["bytes"])
    inputs = Inputs(tuple(task["categories"]), task["max_rows"])
    out.write(json.dumps(_tried(inputs, memory)).encode() + b"\n")
    out.flush()
    os._exit(0)  # without the session's end, in which a hostile graph may still hang


def _own_stdout() -> BinaryIO:
    """What native code prints must not come between: its stdout becomes stderr."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return out


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _go_first() -> None:
    """If the machine's memory runs short, the kernel ends this process before any other."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may not let it
            Path("/proc/self/oom_score_adj").write_text("1000")


def _limit(seconds: float, most: int) -> None:
    """The parent's own patience ends earlier: these hold if it can't act."""
    signal.alarm(ceil(seconds) + 1)
    for what, limit in (
        (resource.RLIMIT_AS, most),
        (resource.RLIMIT_CPU, ceil(seconds) + 1),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, LONGEST_ANSWER),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(what, (limit, limit))


def _tried(inputs: Inputs, memory: "_Memory") -> dict[str, Any]:
    try:
        model = sys.stdin.buffer.read()
        divisors = check_file(model)
        before = memory.used()
        check_divisors(model, divisors, len(inputs.categories))
        session = open_session(model)
        size = memory.used() - before
        shown = probe(session, inputs)
    except InvalidInput as error:
        return {"refused": error.expected}
    except MemoryError:
        return {"refused": None}
    except Exception as error:  # noqa: BLE001  # ONNX Runtime's have no common class
        said = str(error).split(" : ", 3)[-1]  # without "[ONNXRuntimeError] : 1 : FAIL"
        exhausted = any(sign in said for sign in _MEMORY)
        return {"refused": None if exhausted else f"a graph that ONNX Runtime can run: {said[:_LONGEST_REASON]}"}
    return {**shown._asdict(), "bytes": size}


class _Memory:
    """Memory that this process shares with no other, bytes; 0 where the system does not tell."""

    def __init__(self) -> None:
        self._file = os.open(_STATM, os.O_RDONLY) if sys.platform == "linux" else None

    def used(self) -> int:
        if self._file is None:
            return 0
        resident, shared = map(int, os.pread(self._file, 200, 0).split()[1:3])
        return (resident - shared) * resource.getpagesize()


if __name__ == "__main__":
    main()
