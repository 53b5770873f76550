"""What is known of the Kafka that the tables are of, beside them, in files of `_kafka` that are written once: the id of
its cluster, and where the partitions of each topic began.
"""

import json
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
    """The offset at which the log of each partition began; raises OSError.

    It is the one given where none of its topic is known yet; a partition that the topic got later began at 0. Kafka's
    group can't tell it: its offsets are kept no longer than messages are.
    """
    begun: dict[str, dict[str, int]] = {}
    for topic in {topic for topic, _ in earliest}:
        given = {str(number): offset for (name, number), offset in earliest.items() if name == topic}
        begun[topic] = json.loads(_once(cluster_path(tables).parent / topic, json.dumps(given)))
    return {(topic, number): begun[topic].get(str(number), 0) for topic, number in earliest}


def _once(path: Path, text: str) -> str:
    make_folder(path.parent)
    return write_once(path, text)
