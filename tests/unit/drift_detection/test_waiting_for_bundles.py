"""A bundle that can't be read is looked for less and less often, and taken once it is there."""

from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.sources import Place, Sources
from services.drift_detection.domain.watched import Watched
from services.drift_detection.stream.intake import MOST_PAUSE, WordIntake
from shared.errors import Unreadable
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched


class Store:
    """Empty at first; notes each look."""

    def __init__(self) -> None:
        self.there = False
        self.looks = 0

    async def get(self, digest: str) -> Watched:
        self.looks += 1
        if not self.there:
            raise Unreadable(f"bundle {digest}: there is none")
        return watched()


async def test_a_bundle_that_is_missing_is_looked_for_with_longer_and_longer_pauses() -> None:
    now, store, merging = [1_000.0], Store(), Merging(0, 1, {})
    sources = Sources({0: PartitionState(0)}, {}, 1)
    appended = int(START.astype("int64")) + 100 * HOUR
    sources.take(Place(0, 0, appended), batch(DIGEST, *hours(0, 2)), watched())
    for _, word in sources.words([0]):
        merging.take(word)
    intake = WordIntake({0: merging}, {}, store, lambda: now[0])  # type: ignore[arg-type]
    for _ in range(4 * 600):
        await intake.load_missing()
        now[0] += 0.25
    assert 600 / MOST_PAUSE <= store.looks < 600 / MOST_PAUSE + 10
    store.there = True
    for _ in range(round(4 * MOST_PAUSE)):
        await intake.load_missing()
        now[0] += 0.25
    looks = store.looks
    await intake.load_missing()
    assert store.looks == looks
