"""When the replay may go on: never far ahead of the drift windows, and not while a model is being replaced."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from cli.demo.api import Api
from cli.demo.chronicle import Chronicle
from cli.demo.flights import Tick
from cli.demo.story import Story
from cli.errors import UserError
from shared.events import RetrainingDecided

PATIENCE_SECONDS = 240
# Planes land at any hour but those of the night, so by then a label has come that ends the wait.
NIGHT = timedelta(hours=12)


class Director:
    """Decides from what the topics say; `swapped_at` is the hour in which the challenger took over."""

    def __init__(self, api: Api, chronicle: Chronicle, story: Story, label_delay: timedelta) -> None:
        self._api = api
        self._chronicle = chronicle
        self._story = story
        self._label_delay = label_delay
        self.swapped_at: datetime | None = None

    async def before(self, hour: Tick, say: Callable[[str], None]) -> None:
        """Returns when this hour may be posted; says what it waits for.

        Raises:
            UserError: what it waits for does not come.
        """
        waiting = ""
        for _ in range(PATIENCE_SECONDS * 10):
            reason = self._behind(hour.start) or self._replacing(hour.start)
            if reason is None:
                break
            if reason != waiting and "windows" not in reason:
                say(reason)
            waiting = reason
            await asyncio.sleep(0.1)
        else:
            raise UserError(f"the replay waited {PATIENCE_SECONDS} s in vain at {hour.start:%d %B %H:%M}: {waiting}")
        if waiting and "windows" not in waiting:
            await self.serving(self._chronicle.deployed or "")
            self.swapped_at = hour.start

    async def serving(self, digest: str) -> None:
        """Returns when inference serves this bundle; raises UserError if it does not within a minute."""
        for _ in range(600):
            models = await self._api.get("inference", "/v1/models")
            if any(model["digest"] == digest for model in models):
                return
            await asyncio.sleep(0.1)
        raise UserError(f"inference does not serve {digest[:12]}")

    def _behind(self, start: datetime) -> str | None:
        window = self._chronicle.last_window_end
        closed = window.end if window else self._story.start
        return "the drift windows to close" if start - closed > self._story.lead else None

    def _replacing(self, start: datetime) -> str | None:
        for decision in self._chronicle.open_runs():
            if self._chronicle.has_started(decision.run_id):
                return f"replay waits: run {decision.run_id[:8]} trains a challenger and has it approved"
            if start >= self._enough_labels(decision):
                return f"replay waits: run {decision.run_id[:8]} is about to start"
        return None

    def _enough_labels(self, decision: RetrainingDecided) -> datetime:
        return (decision.wait_until or decision.time) + self._label_delay + NIGHT
