"""One demo on a terminal: set-up, progress, outcome."""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cli.demo.flights import Tick
from cli.demo.loop import Loop, Played, summarise
from cli.demo.replay import Record
from cli.demo.report import show
from cli.demo.story import SPRING_2013, Story
from cli.errors import UserError
from cli.signals import run_until_signal
from cli.stack import Plan, Stack, running_stack
from shared.keys import make_keys

MARK = "driftline-demo"


def fresh(state: Path) -> None:
    """An empty state folder: what an earlier demo left there is removed, anything else is not touched.

    Raises:
        UserError: the folder holds something that no demo left.
    """
    if state.exists() and any(state.iterdir()):
        if not (state / MARK).exists():
            raise UserError(f"{state} holds something else than an earlier demo; choose another --state")
        shutil.rmtree(state)
    state.mkdir(parents=True, exist_ok=True)
    (state / MARK).touch()


class _Bar:
    """Requests sent, with the event time they stand at."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task("replay", total=total)

    def show(self, hour: Tick, record: Record) -> None:
        self._progress.update(self._task, completed=record.sent, description=f"{hour.start:%d %B %H:00} UTC")


class Demo:
    """One demo: what it says goes to `console`."""

    def __init__(
        self, plan: Plan, story: Story, console: Console, keep: Callable[[dict[str, Any]], None] = lambda _: None
    ) -> None:
        self.plan = plan
        self.loop = Loop(plan.state, story, self.say)
        self.console = console
        self.began = time.monotonic()
        self.figures: dict[str, Any] = {}
        self._keep = keep

    def say(self, line: str) -> None:
        """One line, above the progress bar if there is one."""
        self.console.print(f"  {line}", highlight=False)

    async def run(self, stay: bool) -> None:
        """Play the story and fill `figures`. With `stay` the stack serves on until the task is cancelled."""
        make_keys(self.plan.state)
        self.say("reading the flights of 2013; training a champion on January and February")
        hours = await asyncio.to_thread(self.loop.load)
        training = asyncio.create_task(self.loop.train())
        try:
            async with running_stack(self.plan, self.say) as stack:
                await training
                played = await self._replay(stack, hours)
                if stay:
                    await asyncio.to_thread(self._finish, played)
                    await self._stay(stack)
        finally:
            training.cancel()
        self._finish(played)

    async def _replay(self, stack: Stack, hours: list[Tick]) -> Played:
        total = sum(len(hour.flights) for hour in hours)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console) as progress:
            bar = _Bar(progress, total)
            return await self.loop.play(stack.kafka, stack.addresses, hours, bar.show)

    def _finish(self, played: Played) -> None:
        figures, traced = summarise(self.plan.state, self.loop.story, played)
        self.figures = figures | {"seconds": round(time.monotonic() - self.began, 1)}
        self._keep(self.figures)
        show(self.console, self.figures, traced)
        for reason, count in played.record.refused.items():
            self.say(f"refused {count} times: {reason}")

    async def _stay(self, stack: Stack) -> None:
        token = self.plan.state / "tokens" / "admin.jwt"
        self.say(f"the page: {stack.addresses['governance']}/ (log in with the token in {token}); Ctrl-C ends it")
        await asyncio.Event().wait()


def play(state: Path, leave: bool, summary: Path | None) -> None:
    """The command: spring 2013 in a fresh state folder; figures to `summary` as JSON.

    Raises:
        UserError: it could not be played to its end.
    """
    fresh(state)
    os.environ.pop("DRIFTLINE_TABLES", None)  # its rows belong in its folder, wherever those of others lie
    plan = Plan(state, bootstrap=os.environ.get("KAFKA_BOOTSTRAP") or None)
    demo = Demo(plan, SPRING_2013, Console(), lambda figures: _keep(figures, summary))
    run_until_signal(demo.run(stay=not leave and sys.stdout.isatty()))
    if not demo.figures:
        raise UserError("the demo was interrupted")


def _keep(figures: dict[str, Any], summary: Path | None) -> None:
    if summary is not None:
        summary.write_text(json.dumps(figures, indent=2) + "\n")
