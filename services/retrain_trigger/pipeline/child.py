"""The worker process, `python -m services.retrain_trigger.pipeline.child`: a job comes as a line on stdin, each
finished step goes as a line to stdout.

Training runs here, so that whatever it does to its process (crash, run out of memory, hang) the service lives on.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

from services.retrain_trigger.pipeline.job import Job, LogAway, Workspace
from shared.errors import DriftlineError


def task_line(job: Job, done: dict[Any, Any]) -> bytes:
    """What the worker is sent: the job, and the results of the steps that are done."""
    return json.dumps({"job": job.model_dump(mode="json"), "done": done}).encode() + b"\n"


def main() -> int:
    """Work until the job is done (0) or can't be done, `failed` or for now (`away`): 1, the reason in the last line."""
    out = _own_stdout()
    task = json.loads(sys.stdin.buffer.readline())
    _end_with_parent()
    from services.retrain_trigger.pipeline.steps import work  # loads ONNX and its runtime: only where they are used

    try:
        for step, result in work(Workspace(Job.model_validate(task["job"]), task["done"])):
            print(json.dumps({"step": step, "result": result}, allow_nan=False), file=out, flush=True)
    except DriftlineError as error:
        how = "away" if isinstance(error, LogAway) else "failed"
        print(json.dumps({how: str(error)}), file=out, flush=True)
        return 1
    return 0


def _own_stdout() -> TextIO:
    """What a training function prints must not come between the lines: its stdout becomes stderr."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return out


def _end_with_parent(leave: Callable[[int], None] = os._exit) -> None:
    """The service holds our stdin open as long as it lives; training for nobody would only be in the way."""

    def watch() -> None:
        while os.read(0, 1):  # not by way of sys.stdin, whose lock Python wants at its end
            pass
        leave(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
