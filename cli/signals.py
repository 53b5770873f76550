"""Runs something until it ends or a signal asks to stop."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_signal(main: Coroutine[Any, Any, None], on_stop: Callable[[], None] = lambda: None) -> bool:
    """Runs `main`; the first SIGINT, SIGTERM or SIGHUP cancels it, more of them do not disturb its ending.

    Returns:
        Whether it ran to its own end.
    """
    try:
        asyncio.run(_guarded(main, on_stop))
    except asyncio.CancelledError:
        return False
    return True


async def _guarded(main: Coroutine[Any, Any, None], on_stop: Callable[[], None]) -> None:
    task = asyncio.ensure_future(main)
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            on_stop()
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP, and means it
            loop.add_signal_handler(number, stop)
    await task
