"""What the topics say while the demo runs: it listens as any downstream consumer would."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from shared.cloudevents import decode, verified
from shared.errors import Unreadable
from shared.events import (
    ChallengerEvaluated,
    DeploymentChanged,
    Event,
    ModelPromoted,
    RetrainingDecided,
    RetrainingFailed,
    RetrainingStarted,
    WindowClosed,
)
from shared.kafka.admin import DEPLOYMENTS, DRIFT, GOVERNANCE, RETRAINING
from shared.kafka.follow import follow
from shared.kafka.message import InMessage
from shared.signing import Trust

Kind = TypeVar("Kind", bound=Event)


class Chronicle:
    """Every event of the four control topics, each id once, in the order in which they came.

    `forged` counts deployments whose signature is not governance's.
    """

    def __init__(self, bootstrap: str, trust: Path) -> None:
        self._bootstrap = bootstrap
        self._trust = Trust(trust)
        self._events: dict[str, Event] = {}
        self.forged = 0
        self.caught_up = asyncio.Event()

    async def listen(self) -> None:
        """Follow the topics until cancelled."""
        topics = (DRIFT, RETRAINING, GOVERNANCE, DEPLOYMENTS)
        await follow(self._bootstrap, topics, self._note, self.caught_up, "demo")

    async def _note(self, message: InMessage) -> None:
        try:
            signed = message.topic == DEPLOYMENTS
            event = verified(message, self._trust, "governance") if signed else decode(message)
        except Unreadable:
            self.forged += 1
            return
        self._events.setdefault(event.id, event)

    def all(self, kind: type[Kind]) -> list[Kind]:
        """The events of a kind, in the order in which they came."""
        return [event for event in self._events.values() if type(event) is kind]

    def of_run(self, kind: type[Kind], run_id: str) -> list[Kind]:
        """Those of one retraining run."""
        return [event for event in self.all(kind) if getattr(event, "run_id", None) == run_id]

    @property
    def panes(self) -> list[WindowClosed]:
        """The finest windows, of all rows."""
        return [window for window in self.all(WindowClosed) if window.is_pane and window.is_whole]

    @property
    def last_window_end(self) -> "WindowClosed | None":
        """The closed window with the latest end."""
        return max(self.panes, key=lambda window: window.end, default=None)

    def open_runs(self) -> Iterator[RetrainingDecided]:
        """The latest decision of each run that is neither skipped, failed, refused by its gate, nor promoted."""
        latest = {event.run_id: event for event in self.all(RetrainingDecided)}
        promoted = {event.digest for event in self.all(ModelPromoted)}
        for run_id, decision in latest.items():
            results = self.of_run(ChallengerEvaluated, run_id)
            done = results and (not results[0].passed or results[0].challenger.digest in promoted)
            if decision.decision != "skip" and not done and not self.of_run(RetrainingFailed, run_id):
                yield decision

    def has_started(self, run_id: str) -> bool:
        """Whether the run has pinned its snapshot."""
        return bool(self.of_run(RetrainingStarted, run_id))

    @property
    def deployed(self) -> str | None:
        """The digest that governance last deployed."""
        changes = self.all(DeploymentChanged)
        return max(changes, key=lambda change: change.revision).champion if changes else None
