"""Starts the broker and the services, keeps them running, stops them."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from cli.errors import UserError, explain
from cli.kafka import broker
from cli.kafka.ready import check_address
from cli.kafka.ready import wait_until_ready as wait_for_kafka
from cli.process.child import Command
from cli.process.guard import Guard
from cli.process.keeper import Keeper
from cli.process.ports import HOST, candidates, plan_ports
from cli.stack.health import wait_until_ready
from cli.stack.patience import Patience
from cli.stack.plan import Plan, Service, service_command
from cli.stack.readyfile import write_ready_file
from cli.stack.together import together

KAFKA = "kafka"

_KAFKA_TIMEOUT = 60.0
_OUTSIDE_TIMEOUT = 10.0

Check = Callable[[str], None]


@dataclass(frozen=True)
class _Member:
    keeper: Keeper
    wait: Callable[[Check], Awaitable[None]]  # until it is ready


class Stack:
    """What runs. Made by `running_stack`.

    Attributes:
        kafka: the broker's address, `host:port`.
        addresses: each service's address, `http://127.0.0.1:PORT`.
        grpc: the address `127.0.0.1:PORT` of each service that speaks gRPC as well.
    """

    def __init__(self, plan: Plan, guard: Guard, on_event: Callable[[str], None]) -> None:
        self.plan = plan
        self.kafka = plan.bootstrap or ""
        self.addresses: dict[str, str] = {}
        self.grpc: dict[str, str] = {}
        self._guard = guard
        self._say = on_event
        self._members: dict[str, _Member] = {}
        self._up: set[str] = set()  # what has been ready once
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._started = False

    @property
    def pids(self) -> dict[str, int]:
        """Process id by name (`kafka` and the services), of those that run now."""
        return {name: member.keeper.pid for name, member in self._members.items() if member.keeper.pid}

    async def restart(self, name: str) -> None:
        """Ends a service (or `kafka`) cleanly, starts it again and waits until it is ready.

        Raises:
            UserError: it does not become ready.
        """
        await self._members[name].keeper.restart()
        await self.wait_ready(name)
        self._publish()

    async def kill(self, name: str) -> None:
        """SIGKILL to a service or to `kafka`, and waits for its end; it is started again as after any crash."""
        await self._members[name].keeper.kill()

    async def wait_ready(self, name: str) -> None:
        """Waits until a service (or `kafka`) is ready.

        Raises:
            UserError: it takes longer than the plan's timeout, or it dies again and again.
        """
        member = self._members[name]
        await member.wait(Patience(member.keeper, time.monotonic() + self.plan.timeout, time.monotonic))
        self._up.add(name)

    async def start(self) -> None:
        """Starts everything and returns when all of it is ready.

        Raises:
            UserError: something does not come up.
            OSError: the state folder cannot be written.
        """
        ports = plan_ports(self.plan.port_names, self.plan.ports, candidates())
        await together(self._start_kafka(ports.values()), asyncio.to_thread(self.plan.keys, self.plan.state))
        await self.plan.topics(self.kafka)
        await together(*(self._start_service(service, ports) for service in self.plan.services))
        self._started = True
        self._publish()

    async def stop(self) -> None:
        """Stops the services together, then the broker; nothing of it runs afterwards, and nothing is started again."""
        for task in self._followers.values():
            task.cancel()
        if self.plan.ready_file:
            self.plan.ready_file.unlink(missing_ok=True)
        await asyncio.gather(*(member.keeper.let_go() for member in self._members.values()))
        kafka = self._members.pop(KAFKA, None)
        await asyncio.gather(*(member.keeper.stop() for member in self._members.values()))
        if kafka:
            await kafka.keeper.stop()

    async def _start_kafka(self, avoid: Collection[int]) -> None:
        if self.plan.bootstrap:
            await _reach(self.plan.bootstrap, min(self.plan.timeout, _OUTSIDE_TIMEOUT))
            return
        ports = broker.choose_ports(self.plan.state, self.plan.kafka_port, avoid)
        self.kafka = ports.bootstrap
        member = self._add(await broker.prepare(self.plan.state, ports, self._say), partial(wait_for_kafka, self.kafka))
        await member.keeper.start()
        until = time.monotonic() + _KAFKA_TIMEOUT

        def check(reason: str) -> None:
            if member.keeper.deaths:
                raise broker.why_it_ended(member.keeper.last_lines, member.keeper.command.log)
            Patience(member.keeper, until, time.monotonic)(reason)

        await member.wait(check)
        self._up.add(KAFKA)

    async def _start_service(self, service: Service, ports: Mapping[str, int]) -> None:
        port = ports[service.name]
        self.addresses[service.name] = f"http://{HOST}:{port}"
        if service.grpc:
            self.grpc[service.name] = f"{HOST}:{ports[service.grpc_name]}"
        command = service_command(service, self.plan, ports, self.kafka, os.environ)
        await self._add(command, partial(wait_until_ready, HOST, port)).keeper.start()
        await self.wait_ready(service.name)

    def _add(self, command: Command, wait: Callable[[Check], Awaitable[None]]) -> _Member:
        member = _Member(Keeper(command, self._guard, self._say, on_spawn=self._follow), wait)
        self._members[command.name] = member
        return member

    def _follow(self, name: str) -> None:
        """After a crash of what was ready before: says when the new process is."""
        if former := self._followers.get(name):
            former.cancel()
        if name in self._up:
            self._followers[name] = asyncio.create_task(self._announce(name), name=f"follow-{name}")

    async def _announce(self, name: str) -> None:
        await self._members[name].wait(lambda _: None)
        self._say(f"{name} is ready again")
        try:
            if self._started:
                self._publish()
        except OSError as error:
            self._say(f"the ready file cannot be written: {explain(error)}")

    def _publish(self) -> None:
        if self.plan.ready_file:
            content = {
                "kafka": self.kafka,
                "services": self.addresses,
                "grpc": self.grpc,
                "state": str(self.plan.state.resolve()),
                "pids": self.pids,
            }
            write_ready_file(self.plan.ready_file, content)


async def _reach(bootstrap: str, seconds: float) -> None:
    check_address(bootstrap)
    until = time.monotonic() + seconds

    def check(reason: str) -> None:
        if time.monotonic() > until:
            raise UserError(f"Kafka at {bootstrap} (KAFKA_BOOTSTRAP) cannot be reached: {reason}")

    await wait_for_kafka(bootstrap, check)
