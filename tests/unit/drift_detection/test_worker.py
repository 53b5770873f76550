from pathlib import Path
from typing import Any

import pytest

from services.drift_detection.models import Bundles
from services.drift_detection.stream.worker import SESSION_SECONDS, Stalled, Worker
from shared.http import Health
from shared.kafka.producer import Producer
from shared.keys import make_keys
from shared.signing import Signer


def worker(state: Path, clock: Any) -> Worker:
    make_keys(state)
    signer = Signer.load(state / "keys", "drift_detection")
    bundles = Bundles(state / "bundles", state / "trust")
    return Worker(bundles, Producer("127.0.0.1:1", "tests"), signer, Health(), clock)


async def test_a_process_that_stood_still_beyond_its_session_ends(tmp_path: Path) -> None:
    times = iter([0.0, SESSION_SECONDS - 0.1, SESSION_SECONDS - 0.1, 2 * SESSION_SECONDS])
    with pytest.raises(Stalled, match="stood still for 10 s"):
        await worker(tmp_path, lambda: next(times)).beat()


def test_before_its_partitions_are_assigned_it_has_no_state(tmp_path: Path) -> None:
    idle = worker(tmp_path, lambda: 0.0)
    assert idle.progress == {}
