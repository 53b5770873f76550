"""`driftline up`: the whole of Driftline on this machine until Ctrl-C."""

from pathlib import Path
from typing import Annotated

import typer


def up(
    state: Annotated[Path, typer.Option(envvar="DRIFTLINE_STATE", help="Folder that holds everything.")] = Path(
        ".driftline"
    ),
    ready_file: Annotated[Path | None, typer.Option(help="Write the addresses here as JSON once all is ready.")] = None,
    port: Annotated[
        list[str] | None, typer.Option(metavar="SERVICE=N", help="A service's port; may be repeated.")
    ] = None,
    kafka_port: Annotated[int | None, typer.Option(help="The embedded broker's port.")] = None,
    bootstrap: Annotated[
        str | None,
        typer.Option(
            envvar="KAFKA_BOOTSTRAP", metavar="HOST:PORT", help="A broker to use instead of the embedded one."
        ),
    ] = None,
) -> None:
    """Start Kafka and the five services, and keep them running until Ctrl-C."""
    from cli.errors import UserError
    from cli.serve import serve
    from cli.stack.plan import Plan, parse_ports

    if bootstrap and kafka_port is not None:
        raise UserError("--kafka-port is the embedded broker's; with KAFKA_BOOTSTRAP there is none")
    serve(
        Plan(
            state=state,
            ports=parse_ports(port or []),
            kafka_port=kafka_port,
            bootstrap=bootstrap or None,
            ready_file=ready_file,
        )
    )
