"""What argparse makes of what a command is told."""

from pathlib import Path


def path(said: str) -> Path:
    """A file or folder; raises ValueError for "", which would be the current folder."""
    if not said:
        raise ValueError("it is empty")
    return Path(said)
