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
    import json
    import os
    import sys

    from rich.console import Console

    from cli.demo.play import Demo, fresh
    from cli.demo.story import SPRING_2013
    from cli.signals import run_until_signal
    from cli.stack import Plan

    fresh(state)
    played = Demo(Plan(state=state, bootstrap=os.environ.get("KAFKA_BOOTSTRAP")), SPRING_2013, Console())

    def keep() -> None:
        if summary is not None:
            summary.write_text(json.dumps(played.figures, indent=2) + "\n")

    played.on_figures = keep
    ended = run_until_signal(played.run(stay=not leave and sys.stdout.isatty()))
    if not ended and not played.figures:
        raise typer.Exit(130)
