"""`driftline up` as a process: how it ends, and what it says when it cannot start."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.stack_helpers import NO_NETWORK, lives, taken_port, until

ROOT = Path(__file__).parents[2]
SCRIPT = str(Path(__file__).with_name("stack_up_script.py"))


@dataclass
class Up:
    process: asyncio.subprocess.Process
    ready_file: Path

    async def ready(self) -> dict[str, int]:
        """Waits for the ready file; the pids in it."""
        await until(lambda: self.ready_file.exists() or self.process.returncode is not None, 90)
        assert self.process.returncode is None, await self.end()
        pids: dict[str, int] = json.loads(self.ready_file.read_text())["pids"]
        return pids

    async def end(self) -> tuple[int, str, str]:
        out, err = await asyncio.wait_for(self.process.communicate(), 60)
        return self.process.returncode or 0, out.decode(), err.decode()


@contextlib.asynccontextmanager
async def run(state: Path, *argv: str, **env: str) -> AsyncIterator[Up]:
    ready_file = state.with_suffix(".ready.json")
    command = argv or (SCRIPT, str(state), str(ready_file))
    own = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        env=own | {"PYTHONPATH": str(ROOT)} | env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Up(process, ready_file)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def gone(pids: dict[str, int], seconds: float) -> None:
    await until(lambda: not any(lives(pid) for pid in pids.values()), seconds)


@pytest.mark.parametrize(
    ("number", "embedded"), [(signal.SIGTERM, True), (signal.SIGINT, False), (signal.SIGHUP, False)]
)
async def test_a_signal_stops_all_and_leaves_nothing(
    kafka: str, tmp_path: Path, number: signal.Signals, embedded: bool
) -> None:
    state = tmp_path / "state"
    async with run(state, **({} if embedded else {"KAFKA_BOOTSTRAP": kafka})) as up:
        pids = await up.ready()
        assert set(pids) == {"one", "two"} | ({"kafka"} if embedded else set())
        up.process.send_signal(number)
        up.process.send_signal(number)  # impatience changes nothing
        code, out, err = await up.end()
    assert code == 0, err
    assert err.splitlines() == ["stopping"]
    told = [line.split()[1] for line in out.splitlines() if "127.0.0.1" in line]
    assert told == ["kafka", "one", "two"]
    await gone(pids, 0)
    assert not up.ready_file.exists()
    assert not (state / "up.lock").exists()


async def test_a_signal_while_it_starts_ends_it_cleanly(tmp_path: Path) -> None:
    async with run(tmp_path / "state") as up:
        await until((tmp_path / "state" / "logs" / "kafka.log").exists, 60)
        up.process.send_signal(signal.SIGTERM)
        code, _, err = await up.end()
    assert (code, err.splitlines()) == (0, ["stopping"])
    assert not (tmp_path / "state" / "up.lock").exists()


async def test_a_supervisor_that_is_killed_takes_all_with_it_and_the_next_start_waits_for_that(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with run(state) as up:
        first = await up.ready()
        up.process.kill()
        await up.process.wait()
    async with run(state) as up:  # at once: what was left has not ended yet
        await gone(first, 15)
        assert not up.ready_file.exists()
        second = await up.ready()
        up.process.send_signal(signal.SIGTERM)
        code, _, err = await up.end()
    assert code == 0, err
    assert not set(first.values()) & set(second.values())
    await gone(second, 0)


async def one_line(state: Path, *options: str, **env: str) -> str:
    """Runs the real command, which must fail; its only line on standard error."""
    async with run(state, "-m", "cli", "up", "--state", str(state), *options, **env) as up:
        code, out, err = await up.end()
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert len(lines) == 1, err
    return lines[0]


async def test_what_a_user_can_put_right_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (tmp_path / "file").write_text("")
    async with taken_port() as port:
        busy = f"driftline: port for inference: {port} is busy or may not be used"
        assert await one_line(state, "--port", f"inference={port}") == busy
    unreachable = await one_line(state, KAFKA_BOOTSTRAP="127.0.0.1:9")
    assert unreachable == "driftline: Kafka at 127.0.0.1:9 (KAFKA_BOOTSTRAP) cannot be reached: no answer"
    assert "is not host:port" in await one_line(state, KAFKA_BOOTSTRAP="broker")
    assert "expected SERVICE=N" in await one_line(state, "--port", "inference")
    unwritable = await one_line(tmp_path / "file" / "state")
    assert unwritable == f"driftline: Not a directory: {tmp_path / 'file' / 'state'}"


async def test_no_network_on_the_first_download_is_one_line(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    state = tmp_path / "state"
    async with run(state, "-m", "cli", "up", "--state", str(state), XDG_CACHE_HOME=cache, **NO_NETWORK) as up:
        code, _, err = await up.end()
    assert code == 1
    assert err.splitlines()[-1].startswith("driftline: cannot fetch ")
    assert "Traceback" not in err


async def on_a_small_disk(disk: Path, megabytes: int, script: str, *argv: str) -> tuple[int | None, str, str]:
    """A shell script with `disk` as $0 and the other arguments from $1, where `disk` is a small file system."""
    namespace = ("unshare", "--user", "--map-root-user", "--mount")
    probe = await asyncio.create_subprocess_exec(*namespace, "true", stderr=asyncio.subprocess.DEVNULL)
    if await probe.wait():
        pytest.skip("needs a small file system of its own, which this machine does not allow")
    mount = f'mkdir "$0" && mount -t tmpfs -o size={megabytes}m none "$0" && '
    own = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP"}
    process = await asyncio.create_subprocess_exec(
        *(*namespace, "sh", "-c", mount + script, str(disk), *argv),
        cwd=ROOT,
        env=own | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 300)
    return process.returncode, out.decode(), err.decode()


async def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    told = await on_a_small_disk(disk, 20, 'exec "$1" -m cli up --state "$0/state"', sys.executable)
    line = f"driftline: the disk is full: {disk}/state has 20 MB left, 256 MB are needed\n"
    assert told == (1, "", line)


FILL = """
"$1" "$2" "$0/state" "$3" 2>"$4" & up=$!
until [ -e "$3" ] || ! kill -0 $up; do sleep 0.1; done
head -c 400000000 /dev/zero >"$0/fill" 2>/dev/null
until [ "$(grep -c 'kafka ended' "$4")" -ge 2 ] || ! kill -0 $up; do sleep 0.1; done
kill -TERM $up; wait $up
"""


async def test_a_disk_that_runs_full_is_named_and_all_ends_cleanly_all_the_same(tmp_path: Path) -> None:
    disk, ready_file, said = tmp_path / "disk", tmp_path / "ready.json", tmp_path / "said"
    code, _, err = await on_a_small_disk(disk, 300, FILL, sys.executable, SCRIPT, str(ready_file), str(said))
    assert (code, err) == (0, ""), said.read_text()
    *ended, last = said.read_text().splitlines()
    full = f"kafka ended (exit code 1; the disk is full: {disk}/state/logs has 0 MB left; log: "
    assert all(line.startswith(full) for line in ended)
    assert last == "stopping"
