"""The command `driftline demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    state: Annotated[Path, typer.Option(help="Folder that holds everything; an earlier demo there is removed.")] = Path(
        ".driftline/demo"
    ),
    leave: Annotated[
        bool, typer.Option("--exit", help="End after the summary; off a terminal it always does.")
    ] = False,
    summary: Annotated[Path | None, typer.Option(help="Write the figures here as JSON.")] = None,
) -> None:
    """Play six weeks of real flights through the whole loop, in event time, as fast as the machine allows."""
    from cli.demo.play import play

    play(state, leave, summary)
