import asyncio
import fcntl
import os
from pathlib import Path

import pytest

from cli.errors import UserError
from cli.stack.lock import StateLock


async def test_a_lock_that_is_held_is_refused_with_its_holder_and_free_after_release(tmp_path: Path) -> None:
    lock = await StateLock.acquire(tmp_path)
    with pytest.raises(UserError, match=rf"already runs on {tmp_path} \(process {os.getpid()}\)"):
        await StateLock.acquire(tmp_path)
    lock.release()
    assert not (tmp_path / "up.lock").exists()
    (await StateLock.acquire(tmp_path)).release()


async def test_a_file_left_by_a_killed_holder_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "up.lock").write_text("1\n")
    (await StateLock.acquire(tmp_path)).release()


async def test_while_a_dead_holders_guard_still_has_the_lock_we_wait(tmp_path: Path) -> None:
    ended = await asyncio.create_subprocess_exec("true")
    await ended.wait()
    with (tmp_path / "up.lock").open("w") as guards_copy:
        fcntl.flock(guards_copy, fcntl.LOCK_EX)
        guards_copy.write(f"{ended.pid}\n")
        guards_copy.flush()
        waiting = asyncio.create_task(StateLock.acquire(tmp_path))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    (await asyncio.wait_for(waiting, 5)).release()
