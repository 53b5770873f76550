"""A graph's first run, in a process of its own: whatever it does there, this one lives on."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from threading import Lock

from services.inference.domain.onnx_file import FILE
from services.inference.models.probe import Inputs
from shared.errors import InvalidInput

_COMMAND = (sys.executable, "-s", "-P", "-m", "services.inference.models.trial_child")
_LONGEST_ANSWER = 4_096
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
    """What a first run showed: whether rows of several requests may go together, and a session's memory."""

    stackable: bool
    bytes: int


def try_out(model: bytes, inputs: Inputs, limits: Limits) -> Tried:
    """Check a file, open it and run it on rows of all kinds and counts, up to `inputs.max_rows`. Blocks.

    Raises:
        InvalidInput: it is refused, with the reason.
    """
    task = {
        "parent": os.getpid(),
        "seconds": limits.seconds,
        "bytes": limits.bytes,
        "arena_bytes": limits.arena_bytes,
        "categories": inputs.categories,
        "max_rows": inputs.max_rows,
    }
    # One core at most, and the modules that this process has, wherever it was started
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    with _one_at_a_time:
        try:
            done = subprocess.run(
                _COMMAND,
                input=json.dumps(task).encode() + b"\n" + model,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                timeout=limits.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            told = f"a first run of {inputs.max_rows} rows (serving.max_rows) within {limits.seconds:g} s"
            raise InvalidInput(FILE, told) from None
    if done.returncode:
        raise InvalidInput(FILE, f"a graph that runs; its first run ended by {_ending(done.returncode)}")
    tried = understood(done.stdout, limits)
    return Tried(tried.stackable, max(tried.bytes, len(model)))


def _too_much(limits: Limits) -> str:
    whole, arena = limits.bytes >> 20, limits.arena_bytes >> 20
    return f"a first run of at most serving.max_rows within {whole} MB of memory, {arena} MB for what it computes"


def _ending(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def understood(answer: bytes, limits: Limits) -> Tried:
    """What a first run said, which a hostile graph may have written: anything but the two answers is a refusal."""
    try:
        told = json.loads(answer[:_LONGEST_ANSWER])
        if "refused" in told:
            reason = told["refused"]
            raise InvalidInput(FILE, reason or _too_much(limits))
        return Tried(told["stackable"] is True, int(told["bytes"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        raise InvalidInput(FILE, "a graph that runs; its first run said nothing that makes sense") from None
