"""The loop as a whole: a champion is trained and approved, the flights are replayed, the outcome is counted."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pyarrow as pa

from cli.demo.api import Api
from cli.demo.chronicle import Chronicle
from cli.demo.director import Director
from cli.demo.flights import Tick, between, ticks
from cli.demo.lineage import Traced, trace
from cli.demo.outcome import (
    challenge_figures,
    client_figures,
    drift_figures,
    label_figures,
    logged_figures,
    loss_figures,
)
from cli.demo.people import People
from cli.demo.prepare import train_champion, write_history
from cli.demo.replay import Record, Replay
from cli.demo.story import Story
from cli.errors import UserError
from models.flight_delays.data import read_flights, with_celsius
from shared.definition import ModelDefinition, read_definition
from shared.kafka.admin import LABELS, PREDICTIONS

DEFINITION = Path(__file__).parents[2] / "models" / "flight_delays" / "model.toml"
Show = Callable[[Tick, Record], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Played:
    """What is left when the replay is over."""

    record: Record
    chronicle: Chronicle
    hours: list[Tick]
    first: str
    serving: str
    swapped_at: datetime | None


class Loop:
    """One run of a story on a stack whose services are up."""

    def __init__(self, state: Path, story: Story, say: Say) -> None:
        self.state = state
        self.story = story
        self.definition: ModelDefinition = read_definition(DEFINITION)
        self._say = say
        self._first = ""

    def load(self) -> list[Tick]:
        """Read the flights, write the history file, and cut the replay into hours."""
        rows = read_flights()
        write_history(rows, self.story, self.state / "demo" / "history.parquet")
        replayed = between(rows, self.story.start, self.story.end)
        replayed = replayed.take(pa.array(range(0, replayed.num_rows, self.story.every)))
        return ticks(with_celsius(replayed, self.story.injection), self.definition)

    async def train(self) -> None:
        """Train the first champion from the history; needs no service."""
        history = self.state / "demo" / "history.parquet"
        self._first = await train_champion(self.state, DEFINITION, history, self.story)

    async def play(self, kafka: str, addresses: dict[str, str], hours: list[Tick], show: Show) -> Played:
        """Register, approve, replay; returns when all that was answered is logged and all its windows are closed."""
        chronicle = Chronicle(kafka, self.state / "trust")
        async with aiohttp.ClientSession() as session, _background(chronicle.listen()):
            api = Api(session, addresses, self.state)
            director = Director(api, chronicle, self.story, self.definition.label_delay)
            people = People(api, self.story, self._say)
            await people.get_tokens()
            async with _background(people.approve_for_ever()):
                await people.register(self._first)
                await director.serving(self._first)
                replay = Replay(api, self.story.model)
                await replay.run(
                    hours, lambda hour: director.before(hour, self._say), lambda hour: show(hour, replay.record)
                )
                await _all_logged(api, replay.record, hours)
        serving = chronicle.deployed or self._first
        return Played(replay.record, chronicle, hours, self._first, serving, director.swapped_at)


@asynccontextmanager
async def _background(work: Any) -> AsyncIterator[None]:
    """Runs `work` beside the body; if it fails, the body is cancelled and its error raised."""
    body = asyncio.current_task()
    task = asyncio.ensure_future(work)

    def failed(done: asyncio.Future[None]) -> None:
        if body is not None and not done.cancelled() and done.exception() is not None:
            body.cancel()

    task.add_done_callback(failed)
    try:
        yield
    except asyncio.CancelledError:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error from None
        raise
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _all_logged(api: Api, record: Record, hours: list[Tick], seconds: int = 60) -> None:
    """Returns when the feature log holds every answered row and every label."""
    labels = sum(len(hour.labels) for hour in hours)
    until = time.monotonic() + seconds
    rows: dict[str, int] = {}
    while time.monotonic() < until:
        report = await api.get("feature_logging", "/completeness")
        rows = dict.fromkeys((PREDICTIONS, LABELS), 0)
        for partition in report["partitions"]:
            rows[partition["topic"]] += partition["rows"]
        if rows[PREDICTIONS] >= record.answered and rows[LABELS] >= labels:
            return
        await asyncio.sleep(0.3)
    raise UserError(f"after {seconds} s the log holds {rows}, answered were {record.answered} rows and {labels} labels")


def summarise(state: Path, story: Story, played: Played) -> tuple[dict[str, Any], Traced | None]:
    """The summary's figures, and the lineage of one prediction drawn at random among those after the swap."""
    figures = client_figures(played.record, played.first, played.serving)
    figures |= logged_figures(state / "tables", story.model)
    figures |= label_figures(state / "tables", played.chronicle, story.model)
    figures |= drift_figures(played.chronicle, story)
    figures |= challenge_figures(played.chronicle, figures["run_id"], played.serving)
    figures |= loss_figures(state / "tables", story, played.swapped_at)
    traced = _trace_one(state, story, played) if played.serving != played.first else None
    figures["lineage_ok"] = traced is not None and not traced.faults and played.chronicle.forged == 0
    return figures, traced


def _trace_one(state: Path, story: Story, played: Played) -> Traced | None:
    by_id = {flight.request_id: flight for hour in played.hours for flight in hour.flights}
    after = [key for key, digest in played.record.answered_by.items() if digest == played.serving]
    if not after:
        return None
    chosen = random.SystemRandom().choice(after)
    return trace(state, story.model, by_id[chosen], played.serving)
