"""The file that tells other programs where everything listens."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


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
