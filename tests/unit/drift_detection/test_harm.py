"""What once did harm: messages too large, words that make no sense, words in part, corrections of what was kept out."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiokafka.errors import MessageSizeTooLargeError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.drift_detection.domain.alarm.telling import MOST_SHOWN, MOST_TOLD, told
from services.drift_detection.domain.merging import Merging
from services.drift_detection.domain.performance.risk import GREATEST_STAKE, LEAST_STAKE, RiskState
from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.sources import Place, Sources
from services.drift_detection.domain.source.words import PartWord
from services.drift_detection.replay.after_end import AfterEnd
from services.drift_detection.replay.recompute import Span, Word, recompute
from services.drift_detection.stream.voice import Voice
from shared.errors import Unreadable
from shared.events import DriftedFeature
from shared.kafka.message import OutMessage
from shared.reference.panes import moment
from shared.signing import Signer, Trust
from tests.unit.drift_detection.lives import BUNDLES, NOW, Life
from tests.unit.drift_detection.performance.flow import FAR, Flow, outcome_batch, part
from tests.unit.drift_detection.performance.flow import hours as flow_hours
from tests.unit.drift_detection.pumps import DIGEST, HOUR, START, batch, hours, watched

FIRST = int(START.astype(np.int64))


class Broker:
    """Takes no message of more than ten bytes."""

    def __init__(self) -> None:
        self.taken: list[bytes | None] = []

    async def send(self, messages: list[OutMessage]) -> None:
        if any(len(message.value or b"") > 10 for message in messages):
            raise MessageSizeTooLargeError
        self.taken += [message.value for message in messages]


async def test_what_the_broker_never_takes_keeps_nothing_else_back() -> None:
    broker: Any = Broker()
    voice = Voice(broker, Signer("drift_detection", Ed25519PrivateKey.generate()), lambda: None)
    await voice.send([OutMessage("t", b"a"), OutMessage("t", b"x" * 11), OutMessage("t", b"b")])
    assert broker.taken == [b"a", b"b"]


def test_a_drift_of_everything_fits_into_a_message() -> None:
    bins = tuple(float(number) for number in range(20))
    one = DriftedFeature(name="x", rule="shift", statistic=1, threshold=1, evidence=1, effect=1, recent=bins)
    listed = told({str(number): one for number in range(5_000)})
    assert len(listed) == MOST_TOLD
    assert [bool(feature.recent) for feature in listed] == [True] * MOST_SHOWN + [False] * (MOST_TOLD - MOST_SHOWN)
    assert sum(len(feature.model_dump_json()) for feature in listed) < 100_000


def words() -> tuple[Merging, PartWord]:
    bundle = {DIGEST: watched()}
    sources, merging = Sources({0: PartitionState(0)}, bundle, 1), Merging(0, 1, bundle, 0)
    times, rows, scores = hours(0, 2)
    sources.take(Place(0, 0, NOW), batch(DIGEST, times, rows, scores), watched())
    [first, *_] = [word for _, word in sources.words({0}) if isinstance(word, PartWord)]
    return merging, first


@pytest.mark.parametrize("key", [{"role": "x"}, {"start": -(10**18)}, {"start": FIRST + 1}, {"start": 10**18}])
def test_a_word_on_no_possible_window_is_refused(key: dict[str, Any]) -> None:
    merging, word = words()
    with pytest.raises(Unreadable):
        merging.take(replace(word, key=word.key._replace(**key)))


def test_a_correction_whose_original_was_kept_out_is_survived() -> None:
    flow = Flow()
    flow.predict([0])
    times, scores, _ = flow_hours(0, 1, per_hour=4)
    first = outcome_batch(times, scores, np.ones(4))
    flow.send(replace(first, business=np.ones(4, bool)))
    only = np.arange(4) == 0
    early = part(outcome_batch(times, scores, np.full(4, 50.0), sequence=1), only)
    flow.send(replace(early, business=np.ones(1, bool), label_time=np.array([FAR + HOUR]).astype("datetime64[us]")))
    correction = outcome_batch(times, scores, np.full(4, 2.0), replaced=np.full(4, 50.0), sequence=2)
    flow.send(replace(part(correction, only), business=np.ones(1, bool)))
    flow.send(outcome_batch(*flow_hours(100, 1, per_hour=1), sequence=3))
    assert "PerformanceMeasured" in [event.type for event in flow.cycle()]


def test_a_stake_is_bounded_where_all_losses_were_equal() -> None:
    assert RiskState(0.0, 1.0, 0.0, 0.0).stake == LEAST_STAKE
    assert RiskState(0.0, 1.0, 1.0, 0.0).stake == GREATEST_STAKE


def test_a_message_that_does_not_fit_moves_the_clock_of_a_replay_too() -> None:
    def messages() -> list[Any]:
        parts = [batch(DIGEST, *hours(hour, 1)) for hour in (0, 3, 1, 2, 3, 4)]
        parts[1] = replace(parts[1], meta=replace(parts[1].meta, definition_digest="f" * 64))
        return parts

    life = Life()
    for message in messages():
        life.take((0, message))
    life.speak()
    live = {event.window_id: event.rows for event in life.said if isinstance(event, Word)}

    async def stream() -> AsyncIterator[Any]:
        for offset, message in enumerate(messages()):
            yield Place(0, offset, NOW), message, BUNDLES[DIGEST]

    span, nothing = Span("pumps", moment(0), moment(NOW * 2)), AfterEnd(Trust(Path("no keys")))
    again = asyncio.run(recompute(stream(), 2, span, nothing))
    assert {key: word.rows for key, word in again.items()} == live
