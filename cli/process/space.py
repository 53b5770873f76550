"""Whether a disk has room."""

import shutil
from pathlib import Path


def why_full(folder: Path, least: int) -> str:
    """One line if the disk of this folder has less than so many bytes left; empty if not, or if nobody can tell."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return ""
    return f"the disk is full: {folder} has {free >> 20} MB left" if free < least else ""
