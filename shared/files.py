"""Files that are there whole, also after a loss of power."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Put a file's content, or a folder's entries, on disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
