"""The supervisor with stand-ins for the services, on a real broker."""

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from cli.errors import UserError
from cli.stack import Plan, running_stack
from tests.integration.stack_helpers import lives, no_keys, no_topics, plan_on, stand_ins, taken_port, until


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url)


async def test_services_get_their_environment_and_the_ready_file_says_where_they_are(
    kafka: str, tmp_path: Path
) -> None:
    ready_file = tmp_path / "out" / "ready.json"
    (two,) = stand_ins("two")
    services = (*stand_ins("one"), replace(two, grpc=True))
    plan = plan_on(kafka, tmp_path / "state", services, ready_file=ready_file)
    async with running_stack(plan) as stack:
        told = json.loads(ready_file.read_text())
        assert told == {
            "kafka": kafka,
            "services": stack.addresses,
            "grpc": {"two": stack.grpc["two"]},
            "state": str(tmp_path / "state"),
            "pids": stack.pids,
        }
        env = (await get(f"{stack.addresses['two']}/ready")).json()
        assert env["KAFKA_BOOTSTRAP"] == kafka
        assert env["DRIFTLINE_STATE"] == told["state"]
        assert told["services"]["two"] == f"http://{env['DRIFTLINE_HOST']}:{env['DRIFTLINE_PORT']}"
        assert told["grpc"]["two"] == f"{env['DRIFTLINE_HOST']}:{env['DRIFTLINE_GRPC_PORT']}"
        assert all(lives(pid) for pid in told["pids"].values())
    assert not ready_file.exists()
    assert not any(lives(pid) for pid in told["pids"].values())
    assert (tmp_path / "state" / "logs" / "one.jsonl").read_text().startswith('{"event": "hello"')


async def test_a_killed_service_is_started_again_and_it_is_said(kafka: str, tmp_path: Path) -> None:
    said: list[str] = []
    ready_file = tmp_path / "ready.json"
    plan = plan_on(kafka, tmp_path / "state", stand_ins("one"), ready_file=ready_file)
    async with running_stack(plan, said.append) as stack:
        before = stack.pids["one"]
        await stack.kill("one")
        await until(lambda: "one is ready again" in said)
        log = tmp_path / "state" / "logs" / "one.jsonl"
        assert said[0] == f"one ended (signal SIGKILL; log: {log}); starting it again now"
        assert stack.pids["one"] != before
        assert json.loads(ready_file.read_text())["pids"] == stack.pids
        assert (await get(f"{stack.addresses['one']}/ready")).status_code == 200


async def test_what_dies_twice_before_it_is_ready_again_is_said_to_be_so_once(kafka: str, tmp_path: Path) -> None:
    said: list[str] = []
    gate = tmp_path / "gate"
    gate.touch()
    plan = plan_on(kafka, tmp_path / "state", stand_ins("one", behaviour=f"gate={gate}"))
    async with running_stack(plan, said.append) as stack:
        gate.unlink()
        for deaths in (1, 2):
            await until(lambda: "one" in stack.pids)
            await stack.kill("one")
            await until(lambda deaths=deaths: len(said) == deaths)  # type: ignore[misc]
        gate.touch()
        await until(lambda: "one is ready again" in said)
        await asyncio.sleep(0.5)
    assert said.count("one is ready again") == 1


async def test_what_dies_while_others_still_start_is_said_to_be_ready_again(kafka: str, tmp_path: Path) -> None:
    said: list[str] = []
    gate, log = tmp_path / "gate", tmp_path / "state" / "logs" / "one.jsonl"
    services = stand_ins("one") + stand_ins("two", behaviour=f"gate={gate}")

    async def run() -> None:
        async with running_stack(plan_on(kafka, tmp_path / "state", services), said.append) as stack:
            assert set(stack.pids) == {"one", "two"}

    running = asyncio.create_task(run())
    await until(lambda: log.exists() and log.read_text() != "")
    await asyncio.sleep(1)  # by then it has been found ready
    os.kill(json.loads(log.read_text())["pid"], signal.SIGKILL)
    with contextlib.suppress(AssertionError):
        await until(lambda: "one is ready again" in said, 5)
    gate.touch()
    await running
    assert said[1:] == ["one is ready again"]


async def test_a_broker_that_dies_while_the_services_stop_is_not_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    services = stand_ins("stubborn", behaviour="stubborn")
    plan = Plan(tmp_path, services, topics=no_topics, keys=no_keys, grace=2.0)
    async with running_stack(plan, said.append) as stack:
        broker = stack.pids["kafka"]
        asyncio.get_running_loop().call_later(0.5, os.kill, broker, signal.SIGKILL)
    assert said == []
    assert not lives(broker)


async def test_a_restart_by_hand_is_no_death(kafka: str, tmp_path: Path) -> None:
    said: list[str] = []
    async with running_stack(plan_on(kafka, tmp_path, stand_ins("one", "two")), said.append) as stack:
        before = stack.pids
        await stack.restart("one")
        assert stack.pids["one"] != before["one"]
        assert stack.pids["two"] == before["two"]
    assert said == []


async def test_a_service_that_dies_at_start_is_named_with_its_last_words_and_all_is_stopped(
    kafka: str, tmp_path: Path
) -> None:
    good, bad = stand_ins("good"), stand_ins("bad", behaviour="dies")
    pid_file = tmp_path / "logs" / "good.jsonl"
    with pytest.raises(UserError) as failure:
        async with running_stack(plan_on(kafka, tmp_path, good + bad), lambda _: None):
            pytest.fail("it must not come up")
    lines = str(failure.value).splitlines()
    assert lines[0] == f"bad cannot be started: exit code 3 (log: {tmp_path}/logs/bad.jsonl)"
    assert lines[-1] == "  no such table: flights"
    assert not lives(json.loads(pid_file.read_text())["pid"])
    assert not (tmp_path / "up.lock").exists()


async def test_a_service_that_never_is_ready_is_named_with_the_reason_it_gave(kafka: str, tmp_path: Path) -> None:
    plan = plan_on(kafka, tmp_path, stand_ins("slow", behaviour="unready"), timeout=2.0)
    with pytest.raises(UserError, match=r"^slow is not ready in time: 503 .*warming up"):
        async with running_stack(plan, lambda _: None):
            pytest.fail("it must not come up")


async def test_what_ignores_sigterm_is_killed_and_what_a_service_started_goes_with_it(
    kafka: str, tmp_path: Path
) -> None:
    services = stand_ins("stubborn", behaviour="stubborn") + stand_ins("parent", behaviour="spawns")
    async with running_stack(plan_on(kafka, tmp_path, services, grace=1.0)) as stack:
        pids = stack.pids
        group = [pid for pid in _all_pids() if _group(pid) == pids["parent"]]
        assert len(group) == 2
    assert not any(lives(pid) for pid in [*pids.values(), *group])


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _group(pid: int) -> int:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(pid)
    return 0


async def test_a_busy_port_is_one_clear_line(kafka: str, tmp_path: Path) -> None:
    async with taken_port() as port:
        plan = plan_on(kafka, tmp_path, stand_ins("one"), ports={"one": port})
        with pytest.raises(UserError, match=f"^port for one: {port} is busy or may not be used$"):
            async with running_stack(plan):
                pytest.fail("it must not come up")
        embedded = Plan(tmp_path, (), kafka_port=port, topics=no_topics, keys=no_keys)
        with pytest.raises(UserError, match=f"^port for kafka: {port} is busy or may not be used$"):
            async with running_stack(embedded):
                pytest.fail("it must not come up")


async def test_a_broker_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    async with taken_port() as port:  # something that is no Kafka
        with pytest.raises(UserError, match=rf"^Kafka at 127.0.0.1:{port} \(KAFKA_BOOTSTRAP\) cannot be reached"):
            async with running_stack(plan_on(f"127.0.0.1:{port}", tmp_path, (), timeout=1.0)):
                pytest.fail("it must not come up")


async def test_a_second_stack_on_the_same_state_is_refused(kafka: str, tmp_path: Path) -> None:
    plan = plan_on(kafka, tmp_path, ())
    async with running_stack(plan):
        with pytest.raises(UserError, match=rf"^a stack already runs on {tmp_path} \(process {os.getpid()}\)"):
            async with running_stack(plan):
                pytest.fail("it must not come up")
        assert (tmp_path / "up.lock").exists()
    async with running_stack(plan):
        pass
    assert not (tmp_path / "up.lock").exists()
