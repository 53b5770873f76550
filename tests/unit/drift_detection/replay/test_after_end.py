"""A replay gives the windows that were published though what came after their end depends on when they ended."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from services.drift_detection.replay import recompute as replaying
from services.drift_detection.replay.after_end import AfterEnd
from services.drift_detection.replay.compare import LastWords, compare
from services.drift_detection.replay.recompute import Span, recompute
from services.drift_detection.replay.sources import Message
from shared.cloudevents import encode
from shared.events import RowsTooLate, WindowClosed, WindowRevised
from shared.kafka.message import InMessage
from shared.keys import make_keys
from shared.reference.panes import moment
from shared.signing import Signer, Trust
from tests.unit.drift_detection.pumps import HOUR, START, watched_with
from tests.unit.drift_detection.test_resting import BEGIN, DAY, Stream

FIRST = int(START.astype(np.int64))
SPAN = Span("pumps", moment(FIRST), moment(FIRST + 100 * HOUR))
BUNDLE = watched_with(("site",), (7_200,), 50)
NOW = BEGIN + 3 * DAY
EVERY, LATER = slice(0, 30), NOW + 5 * DAY


def told_after_end() -> Stream:
    """A partition rests for three days, and brings rows and repeats for windows that have ended, and for one that has
    not.
    """
    live = Stream(BUNDLE)
    live.take(1, 0, slice(0, 10), BEGIN)
    for hour in range(10):
        live.take(0, hour, EVERY, BEGIN)
    live.speak(BEGIN)
    live.speak(NOW)
    live.take(1, 0, slice(0, 6), NOW, repeat=True)
    live.speak(NOW)
    live.take(1, 0, slice(10, 14), NOW)
    live.take(1, 0, slice(14, 17), NOW)
    live.speak(NOW)
    for hour, rows in ((2, slice(0, 12)), (2, slice(12, 15)), (8, slice(0, 5))):
        live.take(1, hour, rows, NOW)
        live.speak(NOW)
    for hour in range(10, 15):
        live.take(0, hour, EVERY, NOW)
    live.speak(LATER)
    return live


def read_late() -> Stream:
    """The same windows, but all was read at once, days later: then they have all rows."""
    live = Stream(BUNDLE)
    for hour in range(10):
        live.take(0, hour, EVERY, BEGIN)
    live.take(0, 10, EVERY, NOW)
    live.take(1, 2, slice(0, 1), NOW)
    live.take(1, 1, slice(25, 30), NOW)
    live.speak(LATER)
    return live


async def results(
    state: Path, live: Stream, order: Sequence[int] = (0, 1), signer: str = "drift_detection"
) -> set[str]:
    """What a replay that reads the partitions one after the other says of the windows."""
    make_keys(state)
    trust = Trust(state / "trust")
    last, after_end = LastWords(SPAN, trust), AfterEnd(trust)
    for offset, event in enumerate(live.said):
        by = signer if isinstance(event, RowsTooLate) else "drift_detection"
        out = encode(event, "drift_detection", Signer.load(state / "keys", by))
        message = InMessage(out.topic, 0, offset, out.key, out.value, out.headers, 1)
        last.take(message)
        after_end.take(message)

    async def messages() -> AsyncIterator[Message]:
        for number in order:
            for one in live.messages:
                if one[0].partition == number:
                    yield one

    words = await recompute(messages(), 2, SPAN, after_end, LATER)
    assert words
    return {one.result for one in compare(last.by_id, words)}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("every", [1, 500])
async def test_windows_that_ended_before_rows_came_are_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...], every: int
) -> None:
    monkeypatch.setattr(replaying, "_EVERY", every)
    live = told_after_end()
    told = [(event.offset, event.windows[0].rows, event.after) for event in live.said if isinstance(event, RowsTooLate)]
    assert told == [(1, 0, 0), (3, 7, 1), (4, 12, -1), (5, 3, 4)]
    assert any(isinstance(event, WindowRevised) for event in live.said)
    assert any(isinstance(event, WindowClosed) and event.scale_rows for event in live.said)
    assert await results(tmp_path, live, order) == {"equal"}


async def test_without_a_true_word_on_what_they_missed_they_are_different(tmp_path: Path) -> None:
    assert "different" in await results(tmp_path, told_after_end(), signer="governance")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_windows_that_got_such_rows_since_they_were_read_late_are_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...]
) -> None:
    monkeypatch.setattr(replaying, "_EVERY", 1)
    live = read_late()
    assert not [event for event in live.said if isinstance(event, RowsTooLate)]
    assert await results(tmp_path, live, order) == {"equal"}
