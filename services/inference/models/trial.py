"""A graph's first run, in a process of its own: whatever it does there, this one lives on."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from threading import Lock

from services.inference.domain.onnx_file import FILE
from services.inference.models.probe import MULTIPLES, Inputs
from services.inference.models.trial_child import LONGEST_ANSWER
from shared.errors import InvalidInput

_COMMAND = (sys.executable, "-s", "-P", "-m", "services.inference.models.trial_child")
_one_at_a_time = Lock()


@dataclass(frozen=True)
class Limits:
    """Of one first run: wall time from its process's start, its whole address space (250 MB are its own), and of that
    what the graph computes.
    """

    seconds: float = 4
    bytes: int = 2**30
    arena_bytes: int = 512 * 2**20


@dataclass(frozen=True)
class Tried:
    """What a first run showed: whether rows of several requests may go together, a session's memory, and of how many
    rows its runs must have any number, see `probe.Shown`.
    """

    stackable: bool
    bytes: int
    multiple: int = 1


def try_out(model: bytes, inputs: Inputs, limits: Limits) -> Tried:
    """Check a file, open it and run it on rows of all kinds and counts, up to `inputs.max_rows`. Blocks.

    Raises:
        InvalidInput: it is refused, with the reason.
    """
    task = {"parent": os.getpid(), **inputs._asdict(), **asdict(limits)}
    with _one_at_a_time:
        try:
            code, said = _run_first(model, json.dumps(task), limits.seconds)
        except subprocess.TimeoutExpired:
            told = f"a first run, of at most {inputs.max_rows} rows, within {limits.seconds:g} s"
            raise InvalidInput(FILE, told) from None
    if code:
        raise InvalidInput(FILE, f"a graph that runs; its first run ended by {_ending(code)}")
    tried = understood(said, limits)
    return replace(tried, bytes=max(tried.bytes, len(model)))


def _run_first(model: bytes, task: str, seconds: float) -> tuple[int, bytes]:
    """Exit code and the beginning of what was said. Files, for pipes keep the interpreter busy with large models, and
    bring all that a hostile one says.
    """
    # One thread, and the modules that this process has, wherever it was started
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as said:
        file.write(model)
        file.seek(0)
        done = subprocess.run(
            (*_COMMAND, task),
            stdin=file,
            stdout=said,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=seconds,
            check=False,
        )
        said.seek(0)
        return done.returncode, said.read(LONGEST_ANSWER)


def _too_much(limits: Limits) -> str:
    whole, arena = limits.bytes >> 20, limits.arena_bytes >> 20
    return f"a first run, of as many rows as may come, within {whole} MB of memory, {arena} MB for what it computes"


def _ending(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def understood(answer: bytes, limits: Limits) -> Tried:
    """What a first run said, which a hostile graph may have written: anything but the two answers is a refusal."""
    try:
        told = json.loads(answer)
        if "refused" in told:
            reason = told["refused"]
            raise InvalidInput(FILE, reason or _too_much(limits))
        return Tried(told["stackable"] is True, int(told["bytes"]), MULTIPLES[MULTIPLES.index(told["multiple"])])
    except (ValueError, KeyError, TypeError, OverflowError):
        raise InvalidInput(FILE, "a graph that runs; its first run said nothing that makes sense") from None
