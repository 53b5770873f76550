"""Writing to a disk that may be full, or to a store that may be away: what fails is tried again and again."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from deltalake.exceptions import DeltaError
from structlog import get_logger

log = get_logger()
T = TypeVar("T")
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)


class Persist:
    """`on_trouble` is told the reason when the disk or the store refuses, and None when it goes on."""

    def __init__(self, on_trouble: Callable[[str | None], None]) -> None:
        self._on_trouble = on_trouble
        # One thread: what a cancelled commit left running ends before the next begins.
        self._thread = ThreadPoolExecutor(1, "feature-log")

    async def until_done(self, work: Callable[[], T], doing: str = "written") -> T:
        """What `work` gives, tried until it raises neither OSError nor DeltaError; `doing` is for the log."""
        attempt = 0
        while True:
            try:
                result = await asyncio.get_running_loop().run_in_executor(self._thread, work)
            except (OSError, DeltaError) as error:
                if not attempt:
                    log.warning(f"the feature log can't be {doing}; trying on", why=str(error))
                    self._on_trouble(f"the feature log can't be {doing}: {error}")
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                break
        if attempt:
            log.info(f"the feature log is {doing} again", attempts=attempt)
            self._on_trouble(None)
        return result
