"""feature_logging is killed again and again under load; what is lost then, and what is there twice?

`python -m tests.fault.log_kills --kills 200` prints it as JSON.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaProducer
from deltalake import DeltaTable

from shared.feature_log.delta_log import DeltaLog
from tests.fault.dying_log import STEPS, Forked
from tests.integration.feature_log_service import Service, kafka_of_its_own, make_bundle, until_all_is_committed
from tests.integration.log_stream import (
    MODELS,
    ROWS,
    Stream,
    check_next_offsets,
    completeness,
    paired,
    producing,
    verify,
)

KINDS = ("predictions", "labels")
# Much upkeep; versions are kept for three minutes, so only a long run removes some.
BUSY = {
    "DRIFTLINE_INSTANCE": "one",
    "DRIFTLINE_COMMIT_ROWS": "4000",
    "DRIFTLINE_COMPACT_COMMITS": "4",
    "DRIFTLINE_KEEP_HOURS": "0.05",
    "DRIFTLINE_UPKEEP_SECONDS": "0.5",
}
PLACE = ["source_partition", "source_offset", "source_row"]


@dataclass(frozen=True)
class Load:
    """`rate` messages a second; `kills`, each at most `seconds` after a first commit, and one in each of `steps`.

    `damage`: in the end tables are broken while the service is stopped, and it has to mend them.
    """

    kills: int
    seconds: float = 2.5
    rate: float = 100
    steps: Sequence[str] = ()
    damage: bool = False


@dataclass
class Tally:
    """Rows: `sent` and acknowledged by Kafka, `pairs` that they make, and of both `lost` and `duplicates`; of the lost,
    `lost_pairs` are pairs. `first_commits`: seconds from a start of the process to its first Delta commit.
    """

    kills: int = 0
    sent: int = 0
    pairs: int = 0
    lost: int = 0
    lost_pairs: int = 0
    duplicates: int = 0
    first_commits: list[float] = field(default_factory=list)

    def told(self) -> dict[str, int | float]:
        """As JSON, with the median and the greatest of the seconds instead of all."""
        took = sorted(self.first_commits) or [0.0]
        seconds = {"first_commit_s_median": took[len(took) // 2], "first_commit_s_greatest": took[-1]}
        counts = {
            "kills": self.kills,
            "sent": self.sent,
            "pairs": self.pairs,
            "lost": self.lost,
            "lost_pairs": self.lost_pairs,
            "duplicates": self.duplicates,
        }
        return counts | seconds


def make_models(state: Path) -> Stream:
    """Bundles of two models, and a stream of messages for them."""
    return Stream({model: make_bundle(state, model) for model in MODELS})


@contextlib.asynccontextmanager
async def flowing(stream: Stream, producer: AIOKafkaProducer, rate: float) -> AsyncIterator[None]:
    """Messages are sent while the body runs."""
    enough = asyncio.Event()

    async def flow() -> None:
        while not enough.is_set():
            due = time.monotonic() + 10 / rate
            await stream.send(producer, 10)
            await asyncio.sleep(due - time.monotonic())

    task = asyncio.create_task(flow())
    try:
        yield
    finally:
        enough.set()
        await task


async def killed(state: Path, load: Load) -> Tally:
    """Run the service on a Kafka of its own in an empty folder, kill it as told, let it finish, and count."""
    stream, chance = make_models(state), random.Random(7)  # noqa: S311  # moments
    tally = Tally()
    async with kafka_of_its_own(state) as kafka, producing(kafka) as producer:
        service = Forked(state, kafka, **BUSY)
        async with flowing(stream, producer, load.rate):
            for _ in range(load.kills):
                async with running(service, tally):
                    await asyncio.sleep(chance.uniform(0, load.seconds))
                    assert await service.end(signal.SIGKILL) == -signal.SIGKILL
                tally.kills += 1
            for step in load.steps:
                await die_in(service, step)
                tally.kills += 1
        await finish(service, kafka)
        if load.damage:
            break_tables(state)
            assert not completeness(state)["complete"]
            await finish(service, kafka)
        told = await paired(kafka)
    tally.pairs = stream.pairs.total()
    tally.lost_pairs = (stream.pairs - told).total()
    tally.lost += tally.lost_pairs
    tally.duplicates += (told - stream.pairs).total()
    count(stream, state, tally)
    return tally


async def die_in(service: Forked, step: str) -> None:
    """Let the process run until the end that it meets within a step."""
    service.step = step
    await service.launch()
    async with asyncio.timeout(60):
        assert await service.process.wait() == -signal.SIGALRM, service.said()[-3_000:]
    service.step = None


@contextlib.asynccontextmanager
async def running(service: Service, tally: Tally) -> AsyncIterator[None]:
    """The process, from its first commit on."""
    before, begun = commits(service.state), time.monotonic()
    async with service.running():
        while commits(service.state) == before:
            assert service.process.returncode is None, service.said()[-3_000:]
            await asyncio.sleep(0.02)
        tally.first_commits.append(time.monotonic() - begun)
        yield


async def finish(service: Service, kafka: str) -> None:
    """Let it log what is left, and see that its tables stand where Kafka does and that every commit was synced."""
    async with service.running():
        ends = await until_all_is_committed(kafka, seconds=300)
        told = await service.metrics()
        assert await service.end() == 0
    check_next_offsets(service.state, ends)
    assert verify(service.state) == []
    made = sum(value for name, value in told.items() if name.startswith("driftline_feature_log_commit_seconds_count"))
    assert told["driftline_feature_log_fsyncs_total"] >= made


def break_tables(state: Path) -> None:
    """Cut the last log entry of one to 0 bytes, and remove a data file of another and of its labels."""
    first, second = (state / "tables" / model for model in MODELS)
    DeltaLog(first / "predictions").commits[-1].path.write_bytes(b"")
    for path in (second / "predictions", second / "labels"):
        Path(DeltaTable(path).file_uris()[0]).unlink()


def commits(state: Path) -> int:
    """How many were made in all tables."""
    logs = state.glob("tables/*/*/_delta_log")
    return sum(max((int(entry.stem) + 1 for entry in log.glob("*.json")), default=0) for log in logs)


def count(stream: Stream, state: Path, tally: Tally) -> None:
    """Compare the rows of the tables, as plain deltalake reads them, with those that Kafka took."""
    found: Counter[tuple[object, ...]] = Counter()
    for model in MODELS:
        for kind in KINDS:
            rows = DeltaTable(state / "tables" / model / kind).to_pyarrow_table(columns=PLACE).to_pylist()
            found.update((model, kind, *row.values()) for row in rows)
    wanted: Counter[tuple[object, ...]] = Counter((*place, row) for place in stream.sent for row in range(ROWS))
    tally.sent = wanted.total()
    tally.lost += (wanted - found).total()
    tally.duplicates += (found - wanted).total()


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if nothing was lost and nothing is there twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.log_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=2.5, help="each kill comes at most so late after a commit")
    parser.add_argument("--rate", type=float, default=100, help="messages a second")
    parser.add_argument("--steps", type=int, default=0, help=f"kills within each of: {', '.join(STEPS)}")
    options = parser.parse_args(arguments)
    load = Load(options.kills, options.seconds, options.rate, tuple(STEPS) * options.steps)
    with tempfile.TemporaryDirectory() as folder:
        tally = asyncio.run(killed(Path(folder), load))
    print(json.dumps(tally.told(), indent=2))
    return 1 if tally.lost or tally.duplicates else 0


if __name__ == "__main__":
    sys.exit(main())
