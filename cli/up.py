"""`driftline up`: the whole of Driftline on this machine until Ctrl-C."""

from pathlib import Path
from typing import Annotated

import typer

_STATE = typer.Option(envvar="DRIFTLINE_STATE", metavar="DIR", help="Folder that holds everything.")
_READY_FILE = typer.Option(help="Write the addresses here as JSON once all is ready; default: ready.json in DIR.")
_PORT = typer.Option(metavar="SERVICE=N", help="A service's port, or inference-grpc's; may be repeated.")
_KAFKA_PORT = typer.Option(help="The embedded broker's port.")
_BOOTSTRAP = typer.Option(
    envvar="KAFKA_BOOTSTRAP", metavar="HOST:PORT", help="A broker to use instead of the embedded one."
)


def up(
    state: Annotated[Path, _STATE] = Path(".driftline"),
    ready_file: Annotated[Path | None, _READY_FILE] = None,
    port: Annotated[list[str] | None, _PORT] = None,
    kafka_port: Annotated[int | None, _KAFKA_PORT] = None,
    bootstrap: Annotated[str | None, _BOOTSTRAP] = None,
) -> None:
    """Start Kafka and the five services, and keep them running until Ctrl-C."""
    from cli.errors import UserError
    from cli.serve import serve
    from cli.stack.plan import Plan, parse_ports
    from cli.stack.readyfile import NAME

    if bootstrap is not None and kafka_port is not None:
        raise UserError("--kafka-port is the embedded broker's; with KAFKA_BOOTSTRAP there is none")
    serve(
        Plan(
            state=state,
            ports=parse_ports(port or []),
            kafka_port=kafka_port,
            bootstrap=bootstrap,
            ready_file=ready_file or state / NAME,
        )
    )
