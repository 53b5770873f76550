"""The cycle: store the state, then let offsets be committed, then speak. What is published is always stored before."""

from collections.abc import Collection
from typing import Any, Protocol

from structlog import get_logger

from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.store import labels
from services.drift_detection.store import merging as models
from services.drift_detection.store import sources as parts
from services.drift_detection.store.entries import Entry
from services.drift_detection.store.wire import encode_word
from services.drift_detection.stream.incidents import IncidentNews
from services.drift_detection.stream.intake import BatchIntake, WordIntake
from services.drift_detection.stream.metrics import OPEN, count_after_end
from services.drift_detection.stream.voice import Voice

log = get_logger()
MOST_WINDOWS = 16  # of a model in one record: what is stored must stay below the broker's limit on a message
MOST_ENDED = 64


class Storage(Protocol):
    """Where the state is kept."""

    async def write(self, entries: Collection[Entry]) -> None: ...
    async def remove(self, keys: Collection[bytes]) -> None: ...


class Quiet:
    """Which partitions rest: read to their end, and nothing came since the last round. What runs is told less often."""

    def __init__(self) -> None:
        self._before: dict[int, int] = {}

    def of(self, at_end: Collection[int], offsets: dict[int, int]) -> set[int]:
        """`offsets` are how far each was read in this round."""
        quiet = {number for number in at_end if offsets[number] == self._before.get(number)}
        self._before = offsets
        return quiet


class SourceCycle:
    """Stores the source partitions that are held here, and tells the models' side of them."""

    def __init__(self, intake: BatchIntake, storage: Storage, voice: Voice) -> None:
        self._intake = intake
        self._sources = intake.sources
        self._storage = storage
        self._voice = voice
        self._stored = {number: state.offset for number, state in self._sources.partitions.items()}
        self._quiet = Quiet()

    async def run(self, at_end: Collection[int], now: int = 0) -> None:
        """One round. `at_end` are the partitions read to their end, `now` is the time in microseconds since 1970 UTC.

        Raises:
            KafkaError: the state could not be stored.
        """
        handled, buried = self._intake.handed_over()
        too_late, self._intake.too_late = self._intake.too_late, []
        offsets = {number: state.offset for number, state in self._sources.partitions.items()}
        words = self._sources.words(self._quiet.of(at_end, offsets), now)
        messages = [encode_word(home, word) for home, word in words]
        entries = self._changed_entries()
        await self._voice.send(buried)
        await self._voice.say(too_late)  # depends on no state, and would not be said again once this is stored
        self._voice.alive()
        await self._storage.write(entries)
        release(handled)
        await self._voice.send(messages)
        over = self._sources.finish()
        await self._storage.remove([parts.partial_key(number, key) for number, key in over])

    def _changed_entries(self) -> list[Entry]:
        """Partials first, then the head that vouches for them: a head without its partials would lose rows."""
        entries: list[Entry] = []
        for number, state in self._sources.partitions.items():
            entries += [parts.partial_entry(number, key, state.partials[key]) for key in sorted(state.changed)]
            state.changed.clear()
            if state.offset > self._stored[number]:
                entries.append(parts.head_entry(state))
                self._stored[number] = state.offset
        return entries


class ModelCycle:
    """Stores and publishes for the models that are at home here."""

    def __init__(self, intake: WordIntake, storage: Storage, voice: Voice) -> None:
        self._intake = intake
        self._mergings = intake.mergings
        self._storage = storage
        self._voice = voice
        self._stored = {number: merging.offset for number, merging in self._mergings.items()}
        self._incidents = IncidentNews()

    async def run(self) -> None:
        """One round, or as many as it takes until nothing is due.

        Raises:
            KafkaError: the state could not be stored.
        """
        await self._intake.load_missing()
        while await self._round():
            pass

    async def _round(self) -> bool:
        """Whether there is more to say, or to let go of."""
        handled, buried = self._intake.handed_over()
        windows = self._label_windows()  # with labels of which the last word may be said below
        entries = [*self._missed(), *self._changed_entries()]
        left = [merging.advance(MOST_WINDOWS) for merging in self._mergings.values()]
        over = [] if any(left) else self._finished()
        more = any(left) or bool(over)
        records, watches = self._changed_models()
        incidents = self._incidents.of(self._mergings.values(), {watch.model for watch, _ in watches})
        folds = self._changed_folds()
        entries = [*windows, *self._label_windows(), *entries]
        over += [key for merging in self._mergings.values() for key in labels.forgotten(merging)]
        await self._voice.send(buried)
        self._voice.alive()
        await self._storage.write(entries)
        release(handled)
        self._voice.alive()
        await self._storage.write(records)
        await self._storage.write(folds)  # a record says what is final, and so what a fold may hold
        await self._voice.send(incidents)  # before the events: who hears of one may ask any worker for it
        await self._publish(watches)
        await self._storage.remove(over)
        return more

    def _changed_entries(self) -> list[Entry]:
        """Parts first, then the head that vouches for them."""
        entries: list[Entry] = []
        for number, merging in self._mergings.items():
            entries += [models.part_entry(merging, key, source) for key, source in sorted(merging.changed)]
            merging.changed.clear()
            if merging.offset > self._stored[number]:
                entries.append(models.head_entry(merging))
                self._stored[number] = merging.offset
        return entries

    def _missed(self) -> list[Entry]:
        """Rows that came after the end stand in records alone: before the words that told them count as taken in."""
        return [
            models.model_entry(number, watch.store())
            for number, merging in self._mergings.items()
            for watch in merging.watches.values()
            if watch.resting.changed
        ]

    def _label_windows(self) -> list[Entry]:
        return [entry for merging in self._mergings.values() for entry in labels.window_entries(merging)]

    def _finished(self) -> list[bytes]:
        keys: list[bytes] = []
        for merging in self._mergings.values():
            over = merging.finish(MOST_ENDED)
            keys += [models.part_key(merging, key, source) for key, source in over.parts]
            keys += [models.fold_key(merging, key) for key in over.scales]
        return keys

    def _changed_folds(self) -> list[Entry]:
        entries = [entry for merging in self._mergings.values() for entry in models.fold_entries(merging)]
        for merging in self._mergings.values():
            for scales in merging.scales.values():
                scales.changed.clear()
        return entries

    def _changed_models(self) -> tuple[list[Entry], list[tuple[ModelWatch, int]]]:
        entries: list[Entry] = []
        changed: list[tuple[ModelWatch, int]] = []
        for number, merging in self._mergings.items():
            for watch in merging.watches.values():
                if watch.changed or watch.outbox:
                    entries.append(models.model_entry(number, watch.store()))
                    changed.append((watch, len(watch.outbox)))
        return entries, changed

    async def _publish(self, watches: Collection[tuple[ModelWatch, int]]) -> None:
        for watch, count in watches:
            await self._voice.say(watch.outbox[:count])
            count_after_end(watch.outbox[:count])
            watch.sent(count)
            OPEN.labels(watch.model).set(sum(one.state == "open" for one in watch.record.incidents))


def release(handled: Collection[Any]) -> None:
    """Let the offsets of these events be committed."""
    for event in handled:
        event.ack()
