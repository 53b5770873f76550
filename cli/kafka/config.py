"""The embedded broker's settings. Pure: what stands in `server.properties`."""

from dataclasses import dataclass

from cli.process.ports import HOST

DATA = "data"

# One node: Kafka's internal topics cannot have more than one replica, and few partitions start faster.
_INTERNAL = {
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
}

_BEHAVIOUR = {
    "auto.create.topics.enable": "false",  # a misspelt topic is an error
    "log.message.timestamp.type": "LogAppendTime",  # else retention deletes a replay of 2013
    "group.initial.rebalance.delay.ms": "0",  # a group of one need not wait for others
    # A broker that was killed may not register again before its old session is over (9 s by default).
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "log.cleaner.dedupe.buffer.size": str(16 << 20),  # the default takes a third of the heap
    "num.network.threads": "2",
    "num.io.threads": "4",
}


@dataclass(frozen=True)
class KafkaPorts:
    """On 127.0.0.1: for clients, and for the node's own controller."""

    client: int
    controller: int

    @property
    def bootstrap(self) -> str:
        """What clients are given: `127.0.0.1:PORT`."""
        return f"{HOST}:{self.client}"


def server_properties(ports: KafkaPorts, data: str = DATA) -> dict[str, str]:
    """All settings of the node; `data` is its folder, relative to the process's working directory.

    Relative, because Kafka splits the value at commas and reads the file as Latin-1.
    """
    listeners = f"CLIENT://{ports.bootstrap},CONTROLLER://{HOST}:{ports.controller}"
    node = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"{HOST}:{ports.controller}",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
    }
    return node | _INTERNAL | _BEHAVIOUR


def render(properties: dict[str, str]) -> str:
    """As a Java properties file; values are plain ASCII without backslashes (see `server_properties`)."""
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def parse(text: str) -> dict[str, str]:
    """Reads what `render` wrote; blank lines and comments are skipped.

    Raises:
        ValueError: a line without `=`; the line's number is named.
    """
    properties = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            key, equals, value = line.partition("=")
            if not equals:
                raise ValueError(f"line {number}: no '=' in {line!r}")
            properties[key.strip()] = value.strip()
    return properties


def former_ports(text: str) -> list[int]:
    """The client's and the controller's port in an earlier `server.properties`; empty if it does not tell."""
    try:
        listeners = parse(text).get("listeners", "")
        return [int(listener.rpartition(":")[2]) for listener in listeners.split(",")]
    except ValueError:
        return []
