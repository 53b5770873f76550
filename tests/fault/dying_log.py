"""feature_logging that starts quickly, to be killed often, and that dies within one of its steps if it is told to.

It is the service itself in a process of its own, but forked from one that has its modules; and for the alarm that is
set when the step begins, to a random moment within it. Nobody handles that alarm, so the kernel ends the process as by
kill -9.
"""

import asyncio
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from services.feature_logging.__main__ import main
from services.feature_logging.store import compactor
from services.feature_logging.store.labels.matcher import Matcher
from services.feature_logging.store.table import LogTable
from services.feature_logging.store.upkeep import cycle
from tests.integration.feature_log_service import Service

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])
STEPS: dict[str, tuple[Any, str]] = {
    "commit": (LogTable, "commit"),
    "matching": (Matcher, "meetings"),
    "compaction": (compactor, "compact"),
    "checkpoint": (compactor, "checkpoint"),
    "cleaning": (cycle, "clean"),
}
LONGEST = 0.05  # seconds until the alarm at first; a step that was quicker halves it


def dying(step: Callable[..., Any]) -> Callable[..., Any]:
    """The step, and perhaps the end."""
    at_most = LONGEST

    def begun(*arguments: Any, **named: Any) -> Any:
        nonlocal at_most
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, at_most))  # noqa: S311  # a moment
        try:
            return step(*arguments, **named)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            at_most = max(at_most / 2, 2e-5)

    return begun


def _run(environment: dict[str, str], log_file: Path, step: str | None) -> None:
    os.environ.update(environment)
    with log_file.open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    if step is not None:
        owner, name = STEPS[step]
        setattr(owner, name, dying(getattr(owner, name)))
    sys.exit(main([]))


class Child:
    """As asyncio's Process, of a child that has all modules when it is born."""

    def __init__(self, environment: dict[str, str], log_file: Path, step: str | None) -> None:
        self._process = FORKS.Process(target=_run, args=(environment, log_file, step))
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """None while it lives."""
        return self._process.exitcode

    async def wait(self) -> int | None:
        """Until it has ended."""
        await asyncio.to_thread(self._process.join)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """To it."""
        os.kill(self._process.pid or 0, number)


class Forked(Service):
    """feature_logging that starts without its imports, and dies in the `step` that is set, if one is."""

    step: str | None = None

    async def launch(self) -> None:
        """Returns at once."""
        self.process = cast(Any, Child(self.environment, self.log_file, self.step))
