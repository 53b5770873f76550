"""Putting files and folders on disk; delta-rs never does."""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Counter

from shared import storage

FSYNCS = Counter("driftline_feature_log_fsyncs_total", "Files and folders of the feature log put on disk")


def sync(path: Path) -> None:
    """As `shared.storage.sync`, counted."""
    if storage.local(path):
        storage.sync(path)
        FSYNCS.inc()


def sync_all(paths: Iterable[Path]) -> None:
    """Put each of them on disk once."""
    for path in dict.fromkeys(paths):
        sync(path)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, each entry on disk; a store has none to be made."""
    if storage.local(path) and not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)
