"""`driftline replay`: windows recomputed from their rows and compared with what was published."""

from pathlib import Path
from typing import Annotated

import typer

_MODEL = typer.Option(help="A model's name.")
_FROM = typer.Option("--from", help="Windows that start at this event time or later, such as 2026-03-01T00:00Z.")
_TO = typer.Option("--to", help="And before this one.")
_SOURCE = typer.Option(help="Where the rows are read from: kafka or log.")
_STATE = typer.Option(envvar="DRIFTLINE_STATE", metavar="DIR", help="Folder that holds everything.")
_READY_FILE = typer.Option(help="Where `driftline up` wrote the addresses; default: ready.json in the state folder.")
_BOOTSTRAP = typer.Option(envvar="KAFKA_BOOTSTRAP", metavar="HOST:PORT", help="A broker, instead of that file's.")
_JSON = typer.Option("--json", help="A line of JSON for each window.")


def replay(  # noqa: PLR0913, PLR0917  # its options
    model: Annotated[str, _MODEL],
    start: Annotated[str, _FROM],
    end: Annotated[str, _TO],
    source: Annotated[str, _SOURCE] = "kafka",
    state: Annotated[Path, _STATE] = Path(".driftline"),
    ready_file: Annotated[Path | None, _READY_FILE] = None,
    bootstrap: Annotated[str | None, _BOOTSTRAP] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Recompute a model's windows and say which of those published are equal; ends with 1 if any is not, with 2 if that
    can't be told.
    """
    import os
    import subprocess
    import sys

    from cli.errors import UserError
    from cli.stack.plan import ROOT
    from cli.stack.readyfile import read_ready_file

    try:
        broker = bootstrap or read_ready_file(ready_file, state, "kafka")
    except UserError as error:
        typer.echo(f"driftline: {error}", err=True)
        raise typer.Exit(2) from error
    told = {"--model": model, "--from": start, "--to": end, "--source": source, "--state": str(state.resolve())}
    options = [word for pair in told.items() for word in pair] + (["--json"] if as_json else [])
    path = ":".join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    command = (sys.executable, "-m", "services.drift_detection.replay", *options)
    env = {**os.environ, "PYTHONPATH": path, "KAFKA_BOOTSTRAP": broker}
    raise typer.Exit(subprocess.run(command, env=env, check=False).returncode)
