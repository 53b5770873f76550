"""Scores tables when the definitions of the deployed models say."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from structlog import get_logger

from services.inference.batch.sink import is_finished
from services.inference.settings import InferenceSettings
from services.inference.store.champions import Champions
from shared.batches import Batch
from shared.bundle import open_bundle
from shared.cron import Cron
from shared.errors import InvalidInput
from shared.logging import configure

log = get_logger()

_PAUSE = 20.0  # seconds; schedules are by the minute
_MADE_UP = timedelta(days=1)  # at the start: what was missed or broken off in this time, each job's last run


class Due(NamedTuple):
    """What is to be scored now, by a process of its own."""

    digest: str
    input: Path
    output: Path

    def command(self, state: Path) -> Sequence[str]:
        """Its command line."""
        told = ("--model", self.digest, "--input", str(self.input), "--output", str(self.output))
        return sys.executable, "-m", "services.inference", "score", *told, "--state", str(state)


def due(digest: str, batch: Batch, folder: Path, after: datetime, until: datetime) -> Due | None:
    """The last run that was due in this time; earlier ones that were missed are not made up for."""
    time = Cron.parse(batch.schedule).last_due(after, until)
    if time is None:
        return None
    words = {"date": f"{time:%Y-%m-%d}", "time": f"{time:%Y-%m-%dT%H%M}"}
    return Due(digest, folder / batch.input.format(**words), folder / batch.output.format(**words))


async def follow_schedules(settings: InferenceSettings) -> None:
    """Start what is due, one job after the other, for ever; raises what ends the reading of deployments."""
    configure("inference-schedule", settings.log_level)
    champions = Champions(settings)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(champions.run())
        await _run_due(settings, champions)


async def _run_due(settings: InferenceSettings, champions: Champions) -> None:
    batches: dict[str, Batch | None] = {}
    after = datetime.now(UTC) - _MADE_UP
    while True:
        until = datetime.now(UTC)
        for digest in champions.digests.values():
            if digest not in batches:
                await asyncio.to_thread(_read, settings, digest, batches)
            batch = batches.get(digest)
            if batch is not None and (job := due(digest, batch, settings.batches, after, until)):
                await _run(settings, job)
        after = until
        await asyncio.sleep(_PAUSE)


def _read(settings: InferenceSettings, digest: str, batches: dict[str, Batch | None]) -> None:
    try:
        bundle = open_bundle(settings.bundles, digest, settings.trust)
    except InvalidInput as error:  # it may not have arrived yet
        log.warning("bundle refused", digest=digest, why=str(error))
    else:
        batches[digest] = bundle.definition.serving.batch


async def _run(settings: InferenceSettings, job: Due) -> None:
    if is_finished(job.output):
        return
    job.output.parent.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(*job.command(settings.state))
    code = await process.wait()
    log.info("scored" if code == 0 else "scoring failed", input=str(job.input), output=str(job.output), code=code)
