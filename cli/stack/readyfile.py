"""The file that tells other programs where everything listens."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.errors import UserError, explain

NAME = "ready.json"  # in the state folder, if nothing else is told


def write_ready_file(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON so that a reader sees all of it or nothing.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read_ready_file(path: Path | None, state: Path, *names: str) -> str:
    """The address that it has under these names; without a path, that of the state folder.

    Raises:
        UserError: there is none, so no stack is ready, or it has no such address.
    """
    place = path or state / NAME
    try:
        told: Any = json.loads(place.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{place} is not there: `driftline up` writes it once all is ready") from error
    except OSError as error:
        raise UserError(explain(error)) from error
    except ValueError as error:
        raise UserError(f"{place}: no JSON") from error
    for name in names:
        told = told.get(name) if isinstance(told, dict) else None
    if not isinstance(told, str):
        raise UserError(f"{place}: no address of {names[-1]} in it")
    return told
