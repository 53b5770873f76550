"""What is known of the Kafka that the tables are of, beside them, in files of `_kafka` that are written once: the id of
its cluster, and where each partition began.
"""

from collections.abc import Mapping
from pathlib import Path

from services.feature_logging.store.sync import make_folder
from shared.errors import DriftlineError
from shared.feature_log.opened import Source
from shared.storage import write_once


class OtherKafka(DriftlineError):
    """The tables hold offsets of another Kafka: messages of this one would be taken for known ones."""


def cluster_path(tables: Path) -> Path:
    """Where the id of the cluster stands."""
    return tables / "_kafka" / "cluster"


def cluster_of(tables: Path, cluster: str) -> str:
    """The id of the tables' cluster, which is this one if none is known yet; raises OSError."""
    return _once(cluster_path(tables), cluster)


def begun_at(tables: Path, earliest: Mapping[Source, int]) -> dict[Source, int]:
    """The offset at which the log of each partition began, which is the one given if none is known yet; raises OSError.

    Kafka's group can't tell it: its offsets are kept no longer than messages are.
    """
    folder = cluster_path(tables).parent
    return {
        (topic, partition): int(_once(folder / f"{topic}-{partition}", str(offset)))
        for (topic, partition), offset in earliest.items()
    }


def _once(path: Path, text: str) -> str:
    make_folder(path.parent)
    return write_once(path, text)
