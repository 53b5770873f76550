"""`driftline log`: questions to the feature log."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Command

log = typer.Typer(help="The feature log: is it complete, snapshots of it, and SQL.", no_args_is_help=True)

_MODEL = typer.Argument(metavar="MODEL", help="A model's name.")
_FROM = typer.Option("--from", metavar="TIME", help="Rows with this event time or later, such as 2026-03-01T00:00Z.")
_TO = typer.Option("--to", metavar="TIME", help="And before this one.")
_AS_OF = typer.Option(
    "--as-of", metavar="TIME", help="Nothing of a later event time, and nothing logged later, is in it."
)
_LABELS = typer.Option(
    "--labels", metavar="required|left", help="left: rows without a label come, too, with null (default: required)."
)
_LABEL_KIND = typer.Option(
    "--label-kind", metavar="binary|regression", help="Which labels count; needed where no bundle's definition says it."
)
_HOLD = typer.Option("--hold", metavar="DAYS", help="Its versions stay readable for so long.")
_REPLAYED = typer.Option(
    "--replayed", help="Events were replayed, so log times say nothing: as-of bounds event time only."
)
_AGAIN = typer.Option(
    "--again", help="A file with what this command printed: the same rows, or an error. It says the bounds and labels."
)
_OUTPUT = typer.Option("--output", help="A Parquet file for the rows.")
_SQL = typer.Argument(metavar="SQL", help="One statement, such as 'SELECT count(*) FROM predictions'.")
_OF_MODEL = typer.Option("--model", help="Its tables by their names alone; others are MODEL.predictions and so on.")
_JOINED_AS_OF = typer.Option("--as-of", metavar="TIME", help="The view `joined` holds what was known at this time.")
_FORMAT = typer.Option("--format", metavar="table|json|csv", help="What is printed.")
_LIMIT = typer.Option("--limit", min=0, help="At most so many rows; 0: all.")
_HEAD = typer.Option(
    "--head", metavar="HASH", help="A head that was kept elsewhere and must be in the chain; any number."
)
_JSON = typer.Option("--json", metavar="FILE", help="All of it as JSON.")
_STATE = typer.Option(envvar="DRIFTLINE_STATE", metavar="DIR", help="Folder that holds everything.")


@log.command(cls=Command)
def snapshot(  # noqa: PLR0913, PLR0917  # its options
    model: Annotated[str, _MODEL],
    start: Annotated[str | None, _FROM] = None,
    end: Annotated[str | None, _TO] = None,
    as_of: Annotated[str | None, _AS_OF] = None,
    labels: Annotated[str | None, _LABELS] = None,
    label_kind: Annotated[str | None, _LABEL_KIND] = None,
    replayed: Annotated[bool, _REPLAYED] = False,
    hold: Annotated[float | None, _HOLD] = None,
    again: Annotated[Path | None, _AGAIN] = None,
    output: Annotated[Path | None, _OUTPUT] = None,
    state: Annotated[Path, _STATE] = Path(".driftline"),
) -> None:
    """Pin a model's rows and labels as they were known at a moment: versions, rows, hash and files, as JSON."""
    told: dict[str, object] = {"--from": start, "--to": end, "--as-of": as_of, "--labels": labels}
    told |= {"--label-kind": label_kind, "--hold": None if hold is None else str(hold)}
    told |= {"--again": again and again.resolve(), "--output": output and output.resolve()}
    options = [str(word) for name, value in told.items() if value is not None for word in (name, value)]
    _ask_service(["snapshot", model, *options, *(["--replayed"] if replayed else [])], state)


@log.command(cls=Command)
def query(  # noqa: PLR0913, PLR0917  # its options
    sql: Annotated[str, _SQL],
    model: Annotated[str | None, _OF_MODEL] = None,
    as_of: Annotated[str | None, _JOINED_AS_OF] = None,
    replayed: Annotated[bool, _REPLAYED] = False,
    form: Annotated[str, _FORMAT] = "table",
    limit: Annotated[int, _LIMIT] = 1_000,
    state: Annotated[Path, _STATE] = Path(".driftline"),
) -> None:
    """Ask the tables in SQL, read only: predictions, labels, business, history, joined, late, dead_letters."""
    told = {"--model": model, "--as-of": as_of, "--format": form, "--limit": str(limit)}
    options = [word for name, value in told.items() if value is not None for word in (name, value)]
    _ask_service(["query", sql, *options, *(["--replayed"] if replayed else [])], state)


@log.command(cls=Command)
def verify(
    head: Annotated[list[str] | None, _HEAD] = None,
    as_json: Annotated[Path | None, _JSON] = None,
    state: Annotated[Path, _STATE] = Path(".driftline"),
) -> None:
    """Recompute the hash chain and all rows in it: is every message there, once, as it was logged?"""
    heads = [word for each in head or () for word in ("--head", each)]
    _ask_service(["verify", *heads, *(["--json", str(as_json.resolve())] if as_json else [])], state)


def _ask_service(words: list[str], state: Path) -> None:
    """Run `python -m services.feature_logging`; its exit code is ours."""
    import os
    import subprocess
    import sys

    from cli.stack.plan import ROOT

    path = ":".join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    command = (sys.executable, "-m", "services.feature_logging", *words, "--state", str(state.resolve()))
    raise typer.Exit(subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False).returncode)
