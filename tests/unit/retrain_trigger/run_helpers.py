"""A runner on a stand, its journal, and what it said."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial

from services.retrain_trigger.domain.decide import View, decide
from services.retrain_trigger.domain.runs import Run
from services.retrain_trigger.settings import Settings
from services.retrain_trigger.store import Journal
from services.retrain_trigger.stream.bundles import Champions
from services.retrain_trigger.stream.runner import Runner
from shared.cloudevents import decode, encode
from shared.definition import parse_definition
from shared.events import Event
from shared.kafka.message import InMessage
from tests.unit.retrain_trigger.stand import LABELLED_AT, Stand, incident


def open_journal(settings: Settings) -> Journal:
    return Journal(settings.journal, partial(encode, source="retrain_trigger"))


async def at_once(*_: object) -> datetime:
    """Every label is there."""
    return LABELLED_AT


def runner(settings: Settings, journal: Journal, champions: Champions | None = None) -> Runner:
    return Runner(settings, journal, champions or Champions(settings.bundles, settings.trust), at_once)


def note_incident(stand: Stand, journal: Journal, digest: str | None = None) -> Run:
    """Journal the waiting run of an incident."""
    outcome = decide(incident(digest or stand.champion), parse_definition(stand.definition), View())
    assert outcome is not None
    journal.record(outcome.run, outcome.event)
    return outcome.run


@contextlib.asynccontextmanager
async def running(settings: Settings, journal: Journal, champions: Champions | None = None) -> AsyncIterator[None]:
    task = asyncio.create_task(runner(settings, journal, champions).run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ended(settings: Settings, journal: Journal, champions: Champions | None = None) -> Run:
    """The run after its end."""
    async with running(settings, journal, champions), asyncio.timeout(60):
        while (run := journal.runs()[0]).is_open:  # noqa: ASYNC110  # a run ends in the journal, which has no event
            await asyncio.sleep(0.02)
    return run


def said(journal: Journal) -> list[Event]:
    sent = [entry.message for entry in journal.unsent()]
    return [decode(InMessage(out.topic, 0, 0, out.key, out.value, out.headers, 0)) for out in sent]


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Returns when the condition holds."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("waited in vain")
