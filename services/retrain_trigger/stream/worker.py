"""The worker process, as the service sees it."""

import asyncio
import json
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping

from structlog import get_logger

from services.retrain_trigger.domain.runs import Step
from services.retrain_trigger.pipeline.child import task_line
from services.retrain_trigger.pipeline.job import Job, LogAway
from services.retrain_trigger.store import Result
from shared.errors import DriftlineError

log = get_logger()
COMMAND = (sys.executable, "-m", "services.retrain_trigger.pipeline.child")
LINE_LIMIT = 64 * 2**20


class WorkerFailed(DriftlineError):
    """The job can't be done; the text is why."""


async def run_worker(
    job: Job, done: Mapping[Step, Result], on_step: Callable[[Step, Result], None], seconds: float
) -> None:
    """Have a process of its own do the steps that are not done; `on_step` gets each result when it comes.

    The process is gone when this returns, is cancelled or raises.

    Raises:
        LogAway: the feature log can't be read just now.
        WorkerFailed: a step can't be done, the process crashed, or it took longer than `seconds`.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*COMMAND, stdin=pipe, stdout=pipe, stderr=pipe, limit=LINE_LIMIT)
    last_words: deque[str] = deque(maxlen=1)
    listening = asyncio.create_task(_listen(process, last_words))
    try:
        async with asyncio.timeout(seconds):
            await _send(process, task_line(job, dict(done)))
            await _follow(process, on_step)
            code = await process.wait()
            await listening
    except TimeoutError as error:
        raise WorkerFailed(f"took longer than {seconds:g} s") from error
    finally:
        await _end(process, listening)
    if code:
        raise WorkerFailed(_cause(code, last_words))


async def _send(process: asyncio.subprocess.Process, line: bytes) -> None:
    assert process.stdin  # noqa: S101  # a pipe was asked for
    process.stdin.write(line)
    try:
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        log.warning("worker ended before it took its job")  # its exit code and last words say why


async def _follow(process: asyncio.subprocess.Process, on_step: Callable[[Step, Result], None]) -> None:
    assert process.stdout  # noqa: S101
    async for line in process.stdout:
        said = json.loads(line)
        if "away" in said:
            raise LogAway(said["away"])
        if "failed" in said:
            raise WorkerFailed(said["failed"])
        on_step(said["step"], said["result"])


async def _listen(process: asyncio.subprocess.Process, last_words: deque[str]) -> None:
    assert process.stderr  # noqa: S101
    async for line in process.stderr:
        text = line.decode(errors="replace").rstrip()
        if text:
            last_words.append(text)
            log.info("worker", says=text)


async def _end(process: asyncio.subprocess.Process, listening: asyncio.Task[None]) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


def _cause(code: int, last_words: deque[str]) -> str:
    if code < 0:
        return f"the worker was ended by {signal.Signals(-code).name}"
    return last_words[0] if last_words else f"the worker ended with exit code {code}"
