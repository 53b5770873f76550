"""Write schemas/ from the code: `python -m scripts.generate_schemas`; with `--check` only say what differs.

The stored samples below schemas/samples are no output: what was once written there must parse for ever.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from scripts.contracts.asyncapi import asyncapi
from scripts.contracts.events import event_schemas

SCHEMAS = Path(__file__).parents[1] / "schemas"
_HEAD = "# Written by scripts/generate_schemas.py from the code; changes made here are lost.\n"


class _Plain(yaml.SafeDumper):
    """Writes a part that occurs twice twice: anchors are hard to read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # yaml's signature
        """No anchors."""
        return True


def documents() -> dict[str, str]:
    """File name → content."""
    schemas = {
        f"{name}.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in event_schemas().items()
    }
    text = yaml.dump(asyncapi(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
    return {**schemas, "asyncapi.yaml": _HEAD + text}


def differences(folder: Path) -> list[str]:
    """The files that are missing, stale or not what the code gives."""
    wanted = documents()
    there = {path.name for path in folder.iterdir() if path.is_file()} if folder.is_dir() else set()
    differing = [name for name in wanted if name in there and (folder / name).read_text("utf-8") != wanted[name]]
    return sorted([*differing, *(set(wanted) ^ there)])


def write(folder: Path) -> None:
    """Make the folder's files what the code gives."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = documents()
    for path in folder.iterdir():
        if path.is_file() and path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        (folder / name).write_text(content, "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is as the code gives it."""
    parser = argparse.ArgumentParser(prog="python -m scripts.generate_schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a file differs")
    parser.add_argument("--folder", type=Path, default=SCHEMAS)
    options = parser.parse_args(arguments)
    found = differences(options.folder)
    if options.check:
        for name in found:
            print(f"schemas/{name} is not what the code gives: run python -m scripts.generate_schemas", file=sys.stderr)
        return bool(found)
    write(options.folder)
    print(f"schemas: {len(found)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
