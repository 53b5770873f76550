"""What to start. Pure but for the two defaults that make topics and keys."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.errors import UserError
from cli.process.child import Command
from cli.process.ports import HOST

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Service:
    """A service and what starts it; default: `python -m services.<name>`. `grpc`: it has a second port, for gRPC."""

    name: str
    argv: tuple[str, ...] = ()
    grpc: bool = False

    @property
    def command(self) -> tuple[str, ...]:
        """The command line."""
        return self.argv or (sys.executable, "-m", f"services.{self.name}")

    @property
    def grpc_name(self) -> str:
        """What its port for gRPC is called."""
        return f"{self.name}_grpc"


NAMES = ("inference", "feature_logging", "drift_detection", "retrain_trigger", "governance")
SERVICES = tuple(Service(name, grpc=name == "inference") for name in NAMES)


async def make_topics(bootstrap: str) -> None:
    """Creates Driftline's topics where they are missing.

    Raises:
        UserError: the broker refuses.
    """
    from aiokafka.errors import KafkaError

    from shared.kafka.admin import ensure_topics

    try:
        await ensure_topics(bootstrap)
    except KafkaError as error:
        raise UserError(f"the topics cannot be created on {bootstrap}: {error}") from error


def make_keys(state: Path) -> None:
    """Makes key pairs and tokens where they are missing."""
    from shared.keys import make_keys as make

    make(state)


@dataclass(frozen=True)
class Plan:
    """A stack to start.

    Attributes:
        state: the folder that holds everything the stack writes.
        services: which services, and how each is started.
        ports: a service's HTTP port, or gRPC port by its `grpc_name`, where it is not to be a free one.
        kafka_port: the embedded broker's port for clients, if it is not to be a free one.
        bootstrap: an outside broker to use instead of the embedded one.
        ready_file: where the addresses are written once all is ready; it goes when the stack stops.
        timeout: seconds for all services together to become ready.
        grace: seconds that a service has between SIGTERM and SIGKILL.
        topics: creates the topics on the broker at an address.
        keys: makes keys and tokens in the state folder.
    """

    state: Path
    services: tuple[Service, ...] = SERVICES
    ports: Mapping[str, int] = field(default_factory=dict)
    kafka_port: int | None = None
    bootstrap: str | None = None
    ready_file: Path | None = None
    timeout: float = 60.0
    grace: float = 10.0
    topics: Callable[[str], Awaitable[None]] = make_topics
    keys: Callable[[Path], None] = make_keys

    @property
    def names(self) -> tuple[str, ...]:
        """The services' names."""
        return tuple(service.name for service in self.services)

    @property
    def port_names(self) -> tuple[str, ...]:
        """What needs a port: each service, and the gRPC of those that have it."""
        return (*self.names, *(service.grpc_name for service in self.services if service.grpc))


def service_command(
    service: Service, plan: Plan, ports: Mapping[str, int], bootstrap: str, environ: Mapping[str, str]
) -> Command:
    """The process of one service: its environment is ours and what its settings read; `ports` by `plan.port_names`."""
    path = [str(ROOT), environ.get("PYTHONPATH", "")]
    env = {
        "PYTHONPATH": ":".join(filter(None, path)),
        "KAFKA_BOOTSTRAP": bootstrap,
        "DRIFTLINE_STATE": str(plan.state.resolve()),
        "DRIFTLINE_HOST": HOST,
        "DRIFTLINE_PORT": str(ports[service.name]),
    }
    if service.grpc:
        env["DRIFTLINE_GRPC_PORT"] = str(ports[service.grpc_name])
    if (
        plan.bootstrap is None
    ):  # on a broker of our own the name is ours alone, and Kafka knows a restarted worker by it
        env["DRIFTLINE_INSTANCE"] = service.name
    log = plan.state / "logs" / f"{service.name}.jsonl"
    return Command(name=service.name, argv=service.command, log=log, env=dict(environ) | env, grace=plan.grace)


def parse_ports(options: list[str]) -> dict[str, int]:
    """`["inference=8080"]` → `{"inference": 8080}`.

    Raises:
        UserError: an option is not `SERVICE=N`, or a service is named twice.
    """
    ports: dict[str, int] = {}
    for option in options:
        name, equals, number = option.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not number.strip().isdecimal():
            raise UserError(f"--port {option}: expected SERVICE=N, such as inference=8080")
        if name in ports:
            raise UserError(f"--port {option}: {name} already has port {ports[name]}")
        ports[name] = int(number)
    return ports
