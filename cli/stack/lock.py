"""One stack at a time in a state folder."""

import asyncio
import fcntl
import os
import time
from pathlib import Path

from cli.errors import UserError

_NAME = "up.lock"
_PATIENCE = 15.0  # seconds; the guard of a killed stack needs less to end what that left


class StateLock:
    """A lock that goes with its holder: with the process, and the guard that has a copy of `descriptor`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self.descriptor = descriptor

    @classmethod
    async def acquire(cls, state: Path) -> "StateLock":
        """Takes the lock; waits for what a killed stack left to end.

        Raises:
            UserError: another stack runs there.
            OSError: the folder cannot be written.
        """
        path = state / _NAME
        until = time.monotonic() + _PATIENCE
        while (descriptor := _try(path)) is None:
            owner = _owner(path)
            if owner is not None and (_lives(owner) or time.monotonic() > until):
                raise UserError(f"a stack already runs on {state} (process {owner}); stop it or take another --state")
            await asyncio.sleep(0.1)
        return cls(path, descriptor)

    def release(self) -> None:
        """Lets it go and removes the file."""
        self._path.unlink(missing_ok=True)
        os.close(self.descriptor)


def _try(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The holder before us may have removed the file between our opening and locking it.
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _owner(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (ValueError, FileNotFoundError):
        return None  # it is just being written or removed


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
