"""`driftline replay` on a real Kafka and a real feature log: what was published is what the rows give, and a forgery is
not.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from aiokafka import AIOKafkaProducer

from services.drift_detection.replay.compare import at_revision
from shared.cloudevents import encode
from shared.kafka.admin import DRIFT
from shared.signing import Signer
from tests.integration.drift_service import ROOT, Service, broker_and_producer, events, make_bundle
from tests.integration.feature_log_service import Service as FeatureLog
from tests.integration.feature_log_service import until_all_is_committed
from tests.integration.test_drift_detection import Message, send, stream, until_told
from tests.unit.drift_detection.offline import Word, last_words
from tests.unit.drift_detection.pumps import HOUR, batch, definition_with, hours, watched_with

SETTINGS, HOURS = (("site",), (10_800,), 100), 20


def messages_of(digest: str) -> list[Message]:
    """Three partitions, one behind; then rows that come late, again, and too late."""
    messages = stream(digest, HOURS)
    times, rows, scores = hours(0, HOURS)
    late = slice(len(times) - 40, len(times) - 35)
    early = slice(0, 5)
    rest = [
        (0, batch(digest, times[late], rows[late], scores[late])),
        (1, batch(digest, times[late], rows[late], scores[late], repeat=True)),
        (2, batch(digest, times[early], rows[early], scores[early])),
        (0, batch(digest, times[-9:] + np.timedelta64(HOUR, "us"), rows[-9:], scores[-9:])),
    ]
    told = watched_with(*SETTINGS).definition.digest
    return [
        (number, replace(content, meta=replace(content.meta, definition_digest=told)))
        for number, content in (*messages, *rest)
    ]


async def replayed(state: Path, kafka: str, *more: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, the windows told, and what else was said."""
    times = ("--from", "2026-03-01T00:00Z", "--to", "2026-03-08T00:00Z")
    command = (
        sys.executable,
        "-m",
        "cli",
        "replay",
        "--model",
        "pumps",
        *times,
        "--state",
        str(state),
        "--json",
        *more,
    )
    pipe = asyncio.subprocess.PIPE
    env = {**os.environ, "KAFKA_BOOTSTRAP": kafka}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode or 0, [json.loads(line) for line in out.decode().splitlines()], err.decode()


async def forge(producer: AIOKafkaProducer, word: Word, signer: Signer | None, rows: int) -> None:
    """Say another word on a window."""
    next_one = at_revision(word, word.revision + 1).model_copy(update={"rows": rows})
    message = encode(next_one, "drift_detection", signer)
    await producer.send_and_wait(DRIFT, message.value, key=message.key, headers=list(message.headers))


async def test_what_was_published_is_what_kafka_and_the_log_give_and_a_forgery_is_told(tmp_path: Path) -> None:
    digest = make_bundle(tmp_path, told=(definition_with(*SETTINGS), watched_with(*SETTINGS).reference))
    messages = messages_of(digest)
    async with broker_and_producer(tmp_path) as (kafka, producer):
        service, log = Service(tmp_path, kafka), FeatureLog(tmp_path, kafka)
        async with service.running(), log.running():
            await send(producer, messages[:-4])
            await until_told(service, digest, windows=HOURS - 1)  # they are said, and revised by what follows
            await send(producer, messages[-4:])
            total = sum(len(content) for _, content in messages)
            await until_told(service, digest, rows=total, too_late=5)
            await until_all_is_committed(kafka)
            words = last_words(await events(kafka))
            assert any(word.late_rows for word in words.values())
            assert any(word.repeats for word in words.values())
            assert any(word.revision for word in words.values())
            for source in ("kafka", "log"):
                code, told, said = await replayed(tmp_path, kafka, "--source", source)
                assert Counter(one["result"] for one in told) == {"equal": len(words)}, said
                assert code == 0

            first, second, *_ = (word for word in words.values() if word.segment == "all")
            await forge(producer, first, Signer.load(tmp_path / "keys", "drift_detection"), rows=first.rows + 1)
            await forge(producer, second, None, rows=second.rows)
            code, told, _ = await replayed(tmp_path, kafka)
            wrong = {one["window_id"]: one["why"] for one in told if one["result"] != "equal"}
            assert wrong == {
                first.window_id: "in rows",
                second.window_id: "driftline-signature: a signature by drift_detection is needed",
            }
            assert code == 1
            assert await service.end() == 0


async def test_what_can_not_be_told_is_one_line_and_another_exit_code(tmp_path: Path) -> None:
    code, told, said = await replayed(tmp_path, "127.0.0.1:1", "--from", "2026-03-01")
    assert (code, told) == (2, [])
    assert said.strip() == "replay: from: a time zone is needed, such as the Z in 2026-03-01T00:00Z"
