import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from fastapi import FastAPI

from shared.http import serve
from shared.settings import ServiceSettings


def free_settings() -> ServiceSettings:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return ServiceSettings(port=probe.getsockname()[1])


async def for_ever() -> None:
    await asyncio.Event().wait()


async def cancels_itself() -> None:
    raise asyncio.CancelledError


async def returns() -> None:
    return


async def crashes() -> None:
    raise OSError("no disk")


@pytest.mark.parametrize("task", [cancels_itself, returns])
async def test_a_background_task_that_ends_by_itself_ends_the_service_with_an_error(
    task: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    with pytest.raises(RuntimeError, match=f"{task.__name__} ended by itself"):
        await serve(FastAPI(), free_settings(), for_ever(), task())


async def test_a_background_task_that_crashes_ends_the_service_with_its_error() -> None:
    with pytest.raises(OSError, match="no disk"):
        await serve(FastAPI(), free_settings(), for_ever(), crashes())


async def test_sigterm_ends_the_service_and_its_tasks_without_an_error() -> None:
    ended = asyncio.Event()

    async def tells() -> None:
        try:
            await for_ever()
        finally:
            ended.set()

    asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), signal.SIGTERM)
    await serve(FastAPI(), free_settings(), tells())
    assert ended.is_set()
