"""One process that we started: its log, its end."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LONG_LOG = 20_000_000  # bytes


@dataclass(frozen=True)
class Command:
    """What to run. `env` is the whole environment; `grace` is the seconds between SIGTERM and SIGKILL."""

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path | None = None
    grace: float = 10.0


class Child:
    """A running process, leader of its own session: a Ctrl-C in the terminal reaches only the supervisor."""

    def __init__(self, command: Command, process: asyncio.subprocess.Process, log_start: int) -> None:
        self.command = command
        self.pid = process.pid
        self.born = time.monotonic()
        self._process = process
        self._log_start = log_start
        self._swept = False

    @classmethod
    async def start(cls, command: Command) -> "Child":
        """Starts it; standard output and error are appended to the log, one of more than 20 MB is set aside first.

        Raises:
            OSError: the program or the log file cannot be opened.
        """
        command.log.parent.mkdir(parents=True, exist_ok=True)
        _set_aside(command.log)
        with command.log.open("ab") as log:
            start = log.tell()
            process = await asyncio.create_subprocess_exec(
                *command.argv,
                env=command.env,
                cwd=command.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(command, process, start)

    @property
    def code(self) -> int | None:
        """Exit code; minus the signal's number if a signal ended it; None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Waits for the end and clears away what it left in its process group; returns the exit code."""
        code = await self._process.wait()
        if not self._swept:  # once only: later the number may be another group's
            self._swept = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return code

    async def stop(self) -> int:
        """SIGTERM, after the grace SIGKILL to the whole group; returns the exit code."""
        self._send(signal.SIGTERM)
        try:
            return await asyncio.wait_for(asyncio.shield(self.wait()), self.command.grace)
        except TimeoutError:
            self.kill()
            return await self.wait()

    def kill(self) -> None:
        """SIGKILL to the process alone, as a crash would be; `wait` clears its group away."""
        self._send(signal.SIGKILL)

    def last_lines(self, count: int = 5) -> list[str]:
        """The last non-empty lines of its log since this start."""
        with contextlib.suppress(OSError), self.command.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - 65_536))
            lines = log.read().decode(errors="replace").splitlines()
            return [line for line in lines if line.strip()][-count:]
        return []

    def _send(self, number: signal.Signals) -> None:
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def _set_aside(log: Path) -> None:
    """A log that has grown long becomes `NAME.old`, in place of the one before."""
    if log.exists() and log.stat().st_size > LONG_LOG:
        log.replace(log.with_name(f"{log.name}.old"))


def describe_exit(code: int) -> str:
    """`exit code 3` or `signal SIGKILL`."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"
