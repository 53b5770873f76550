"""Workers of drift_detection die, freeze, come and go: every window is said, and is as recomputed offline."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.fault.drift_stream import end, stage
from tests.fault.steady import FULL


@pytest.mark.skipif(not FULL, reason="one kill in the middle is in tests/integration/test_drift_detection.py")
@pytest.mark.parametrize("count", [1, 2])
async def test_killed_again_and_again_at_200_messages_a_second(tmp_path: Path, count: int) -> None:
    kills = 20
    async with stage(tmp_path, shuffle=8) as there:
        workers = [there.worker(f"worker-{number}") for number in range(count)]
        try:
            await asyncio.gather(*(worker.start() for worker in workers))
            async with there.stream.sending():
                for number in range(kills):
                    await asyncio.sleep(1 + number % 3)
                    await workers[number % count].end(signal.SIGKILL)
                    await workers[number % count].start()
            said = await there.said_all(workers)
            incidents = len(await there.explained_by_all(workers))
            assert incidents
            print(f"kill -9 x {kills}, {count} workers: {said}; any worker explains any of {incidents} incidents")
        finally:
            await end(workers)


async def test_workers_come_and_go_and_one_freezes_beyond_its_session_and_wakes(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        first, second, third = (there.worker() for _ in range(3))
        started = [first]
        try:
            await first.start()
            async with there.stream.sending():
                await asyncio.sleep(2)
                started += [second, third]
                await asyncio.gather(second.start(), third.start())
                await asyncio.sleep(6 if FULL else 2)
                assert await third.end() == 0
                second.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(15)
                second.process.send_signal(signal.SIGCONT)
                assert await second.wait() != 0
                await asyncio.sleep(5 if FULL else 0)
            assert "stood still" in second.said()
            said = await there.said_all([first])
            print(f"1 to 3 workers and back, one frozen for 15 s: {said}")
        finally:
            await end(started)
