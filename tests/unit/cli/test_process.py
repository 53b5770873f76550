import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from cli.process.backoff import Backoff
from cli.process.child import LONG_LOG, Child, Command, describe_exit
from cli.process.guard import Guard
from cli.process.keeper import Keeper
from cli.process.space import why_full


def python(log: Path, code: str, grace: float = 10.0) -> Command:
    return Command("it", (sys.executable, "-I", "-S", "-c", code), log, grace=grace)


def test_an_exit_is_described_by_its_code_or_its_signal() -> None:
    assert [describe_exit(code) for code in (0, 3, -9, -250)] == [
        "exit code 0",
        "exit code 3",
        "signal SIGKILL",
        "signal 250",
    ]


async def test_output_is_appended_and_the_last_lines_are_those_of_this_start(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "it.log"
    for number in (1, 2):
        child = await Child.start(python(log, f"print('run {number}'); print(); raise SystemExit('bye {number}')"))
        assert await child.wait() == 1
    assert sorted(child.last_lines()) == ["bye 2", "run 2"]
    assert "run 1" in log.read_text()


async def test_a_log_that_has_grown_long_is_set_aside_at_the_next_start_and_one_old_one_is_kept(tmp_path: Path) -> None:
    log, old = tmp_path / "it.log", tmp_path / "it.log.old"
    for number in (1, 2):
        log.write_bytes(b"%d" % number + b"." * LONG_LOG)
        child = await Child.start(python(log, "print('anew')"))
        await child.wait()
        assert log.read_text() == "anew\n"
        assert old.read_bytes()[:1] == b"%d" % number
    assert sorted(os.listdir(tmp_path)) == [log.name, old.name]


async def test_what_dies_is_started_again_with_growing_pauses_until_it_is_stopped(tmp_path: Path) -> None:
    said: list[str] = []
    guard = Guard()
    third = asyncio.Event()
    starts: list[str] = []

    def count(name: str) -> None:
        starts.append(name)
        if len(starts) == 3:
            third.set()

    command = python(tmp_path / "log", "raise SystemExit(7)")
    keeper = Keeper(command, guard, said.append, count, Backoff(first=0.01))
    await keeper.start()
    await asyncio.wait_for(third.wait(), 20)
    await keeper.stop()
    guard.close()
    ended = f"it ended (exit code 7; log: {tmp_path}/log); starting it again"
    assert said[:3] == [f"{ended} now", f"{ended} in 0.01 s", f"{ended} in 0.02 s"]
    assert keeper.pid is None


def test_a_disk_is_full_below_what_is_needed_and_a_folder_that_has_gone_tells_nothing(tmp_path: Path) -> None:
    assert why_full(tmp_path, 0) == ""
    assert re.fullmatch(rf"the disk is full: {tmp_path} has \d+ MB left", why_full(tmp_path, 1 << 62))
    assert why_full(tmp_path / "gone", 1 << 62) == ""


async def test_a_program_that_does_not_exist_is_an_error_at_once(tmp_path: Path) -> None:
    guard = Guard()
    with pytest.raises(FileNotFoundError):
        await Keeper(Command("it", ("/nowhere",), tmp_path / "log"), guard, print).start()
    guard.close()


async def test_the_guard_ends_what_it_watches_when_the_pipe_breaks_and_removes_the_file(tmp_path: Path) -> None:
    marker = tmp_path / "ready.json"
    marker.write_text("{}")
    guard = Guard(remove=(marker,))
    child = await Child.start(python(tmp_path / "log", "import time; time.sleep(600)"))
    guard.watch(child.pid)
    waiting = asyncio.create_task(child.wait())
    await asyncio.to_thread(guard.close)
    assert await asyncio.wait_for(waiting, 20) == -signal.SIGTERM
    assert not marker.exists()


async def test_the_guard_leaves_alone_what_it_was_told_to_forget(tmp_path: Path) -> None:
    marker = tmp_path / "ready.json"
    marker.write_text("{}")
    guard = Guard(remove=(marker,))
    child = await Child.start(python(tmp_path / "log", "import time; time.sleep(600)"))
    guard.watch(child.pid)
    guard.forget(child.pid)
    await asyncio.to_thread(guard.close)
    os.kill(child.pid, 0)
    assert marker.exists()
    assert await child.stop() == -signal.SIGTERM


async def test_a_lost_guard_does_not_stop_the_supervisor(tmp_path: Path) -> None:
    guard = Guard()
    os.kill(guard.pid, signal.SIGKILL)
    await asyncio.sleep(0.1)
    keeper = Keeper(python(tmp_path / "log", "import time; time.sleep(600)"), guard, print)
    await keeper.start()
    await keeper.stop()
    guard.close()
