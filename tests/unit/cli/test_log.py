"""`driftline log` passes on what the service's commands take."""

import argparse
import re

import typer

from cli.log import log
from services.feature_logging.commands.snapshot import add_snapshot


def test_a_snapshot_has_all_options_of_the_services_command() -> None:
    command = typer.main.get_command(log).commands["snapshot"]  # type: ignore[attr-defined]
    asked = {name for option in command.params for name in option.opts if name.startswith("--")}
    taken = add_snapshot(argparse.ArgumentParser().add_subparsers()).format_usage()
    assert asked - {"--state"} == set(re.findall(r"--[a-z-]+", taken))
