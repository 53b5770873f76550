"""Keeps one command running until it is told to stop."""

import asyncio
import time
from collections.abc import Callable

from cli.errors import explain
from cli.process.backoff import Backoff
from cli.process.child import Child, Command, describe_exit
from cli.process.guard import Guard
from cli.process.space import why_full

_LEAST_LEFT = 16 << 20  # bytes beside the log: with less of them a process that died may have died of it


class Keeper:
    """Starts a command, and starts it again when it dies, with growing pauses; says so by `on_event`.

    `on_spawn` is called after every start but the first: something may want to wait until it is ready again.
    """

    def __init__(
        self,
        command: Command,
        guard: Guard,
        on_event: Callable[[str], None],
        on_spawn: Callable[[str], None] = lambda _: None,
        backoff: Backoff | None = None,
    ) -> None:
        self.command = command
        self.deaths = 0  # in a row
        self.last_words = ""  # how the last one ended
        self.last_lines: list[str] = []  # what it logged before
        self._guard = guard
        self._say = on_event
        self._on_spawn = on_spawn
        self._backoff = backoff or Backoff()
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Process id, or None while nothing runs."""
        return self._child.pid if self._child and self._child.code is None else None

    async def start(self) -> None:
        """Starts the command and keeps it from now on.

        Raises:
            OSError: it cannot be started at all.
        """
        self._child = await self._spawn()
        self._task = asyncio.create_task(self._keep(self._child), name=f"keep-{self.command.name}")

    async def let_go(self) -> None:
        """From here on it is not started again; what runs goes on."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def stop(self) -> None:
        """Ends it for good; does nothing if it does not run."""
        await self.let_go()
        if self._child:
            await self._child.stop()
            self._guard.forget(self._child.pid)

    async def restart(self) -> None:
        """Ends it cleanly and starts it again; this is no death."""
        await self.stop()
        await self.start()

    def log_tail(self, count: int = 5) -> list[str]:
        """The last lines of the process that runs, or if it has none yet, of the one before."""
        return (self._child.last_lines(count) if self._child else []) or self.last_lines

    async def kill(self) -> None:
        """SIGKILL, as in a crash, and waits for the end: the keeper will notice and start it again."""
        if child := self._child:
            child.kill()
            await child.wait()

    async def _spawn(self) -> Child:
        child = await Child.start(self.command)
        self._guard.watch(child.pid)
        return child

    async def _keep(self, child: Child) -> None:
        while True:
            code = await child.wait()
            self._guard.forget(child.pid)
            self.deaths = self._backoff.count(self.deaths, time.monotonic() - child.born)
            self.last_words, self.last_lines = self._describe(code), child.last_lines()
            child = await self._spawn_again(f"{self.command.name} ended ({self.last_words}; log: {self.command.log})")
            self._on_spawn(self.command.name)

    def _describe(self, code: int) -> str:
        return "; ".join(filter(None, (describe_exit(code), why_full(self.command.log.parent, _LEAST_LEFT))))

    async def _spawn_again(self, why: str) -> Child:
        while True:
            pause = self._backoff.delay(self.deaths)
            self._say(f"{why}; starting it again {f'in {pause:g} s' if pause else 'now'}")
            await asyncio.sleep(pause)
            try:
                self._child = await self._spawn()
            except OSError as error:
                self.deaths += 1
                why = f"{self.command.name} cannot be started ({explain(error)})"
            else:
                return self._child
