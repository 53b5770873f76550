"""`driftline score`: a table on disk scored into another one."""

from pathlib import Path
from typing import Annotated

import typer

_STATE = typer.Option(envvar="DRIFTLINE_STATE", help="Folder that holds everything.")
_MODEL = typer.Option(help="A bundle's digest, or a model's name: its champion, as Kafka tells it.")
_INPUT = typer.Option("--input", help="File or folder of .parquet or .csv, or a Delta table.")
_OUTPUT = typer.Option("--output", help="A .parquet file, or a folder.")
_FORMAT = typer.Option("--format", help="Of a folder that is new: parquet or delta.")
_KEEP = typer.Option(help="The input's columns to write beside the scores, with commas; default: all.")


def score(  # noqa: PLR0913, PLR0917  # its options
    model: Annotated[str, _MODEL],
    source: Annotated[Path, _INPUT],
    output: Annotated[Path, _OUTPUT],
    form: Annotated[str, _FORMAT] = "parquet",
    keep: Annotated[str | None, _KEEP] = None,
    state: Annotated[Path, _STATE] = Path(".driftline"),
) -> None:
    """Score a table. Stopped at any point, the same command goes on from there."""
    import os
    import subprocess
    import sys

    from cli.stack.plan import ROOT

    told = {"--model": model, "--input": source.resolve(), "--output": output.resolve(), "--format": form}
    told |= {"--state": state.resolve()} | ({} if keep is None else {"--keep": keep})
    options = [str(word) for pair in told.items() for word in pair]
    path = ":".join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    command = (sys.executable, "-m", "services.inference", "score", *options)
    raise typer.Exit(subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False).returncode)
