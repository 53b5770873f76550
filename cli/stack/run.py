"""A running stack as a context: whatever happens inside, nothing of it is left afterwards."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cli.errors import UserError
from cli.process.guard import Guard
from cli.process.space import why_full
from cli.stack.lock import StateLock
from cli.stack.plan import Plan
from cli.stack.stack import Stack

_LEAST_FREE = 256 << 20  # bytes: Kafka maps files of 10 MB, and a full disk there ends its JVM without a word


@asynccontextmanager
async def running_stack(plan: Plan, on_event: Callable[[str], None] = print) -> AsyncIterator[Stack]:
    """Starts what the plan says, yields when all of it is ready, and stops it at the end.

    Args:
        plan: what to start, and where; `Plan(state)` is a broker and the five services on free ports.
        on_event: gets one line for each thing worth saying: a download, a crash, a restart.

    Raises:
        UserError: it cannot be started; nothing is left running.
        OSError: the state folder cannot be written.
    """
    plan.state.mkdir(parents=True, exist_ok=True)
    _check_space(plan.state)
    lock = await StateLock.acquire(plan.state)
    try:
        guard = Guard(hold=(lock.descriptor,), remove=(plan.ready_file,) if plan.ready_file else ())
        stack = Stack(plan, guard, on_event)
        try:
            if plan.ready_file:
                plan.ready_file.unlink(missing_ok=True)  # a killed stack's
            await stack.start()
            yield stack
        finally:
            await stack.stop()
            guard.close()
    finally:
        lock.release()


def _check_space(folder: Path) -> None:
    if full := why_full(folder, _LEAST_FREE):
        raise UserError(f"{full}, {_LEAST_FREE >> 20} MB are needed")
