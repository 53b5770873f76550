from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.settings import Settings
from services.drift_detection.store.sources import head_entry
from services.drift_detection.store.table import NewestStore, StateTable
from services.drift_detection.stream.app import build
from services.drift_detection.stream.worker import Worker


def settings(state: Path) -> Settings:
    return Settings(state=state, kafka_bootstrap="127.0.0.1:1", instance="first")


class Idle(Worker):
    """A worker that is never started."""

    def __init__(self) -> None:
        """Nothing to hold."""


@pytest.fixture
async def table(tmp_path: Path) -> StateTable:
    app = build(settings(tmp_path), Idle(), sources=3, outcomes=3, homes=2)
    found = app.tables["sources"]
    assert isinstance(found, StateTable)
    return found


def changelog(*entries: tuple[bytes, bytes | None]) -> list[Any]:
    return [
        SimpleNamespace(key=key, value=value, message=SimpleNamespace(key=key, value=value, partition=0))
        for key, value in entries
    ]


def version(number: int) -> bytes:
    return number.to_bytes(8, "big") + b"content"


async def test_the_higher_version_wins_whichever_was_written_last(table: StateTable) -> None:
    store = table.data
    assert isinstance(store, NewestStore)
    log = changelog((b"0/head", version(5)), (b"0/head", version(7)), (b"0/head", version(6)))
    store.apply_changelog_batch(log, lambda key: key, lambda value: value)
    assert table.entries() == [(b"0/head", version(7))]


async def test_a_removed_entry_stays_removed(table: StateTable) -> None:
    log = changelog((b"0/window/a", version(5)), (b"0/window/a", None), (b"0/window/b", version(1)))
    table.data.apply_changelog_batch(log, lambda key: key, lambda value: value)
    assert table.entries() == [(b"0/window/b", version(1))]


async def test_a_key_belongs_in_the_partition_that_it_names(table: StateTable) -> None:
    assert table.partition_for_key(b"2/head") == 2
    assert table.partitions == 3


async def test_what_belongs_to_other_workers_is_dropped_from_memory(table: StateTable) -> None:
    log = changelog((b"0/head", version(5)), (b"1/head", version(7)), (b"2/head", version(6)))
    table.data.apply_changelog_batch(log, lambda key: key, lambda value: value)
    table.keep([0, 2])
    assert [key for key, _ in table.entries()] == [b"0/head", b"2/head"]


async def test_apps_are_built_anew_each_time_and_follow_the_settings(tmp_path: Path) -> None:
    first, second = (build(settings(tmp_path), Idle(), sources=3, outcomes=3, homes=2) for _ in range(2))
    assert first is not second
    assert first.tables["models"] is not second.tables["models"]
    assert first.conf.web_enabled is False
    assert first.conf.consumer_auto_offset_reset == "earliest"
    assert not first.in_transaction
    assert first.conf.consumer_group_instance_id == "first"
    assert Path(first.conf.datadir).is_relative_to(tmp_path / "drift_detection")
    assert list(first.agents) == ["driftline.predictions", "driftline.outcomes", "driftline.partials"]
    assert [first.tables[name].partitions for name in ("sources", "outcomes", "models")] == [3, 3, 2]


def test_versions_of_heads_are_their_offsets() -> None:
    key, value = head_entry(PartitionState(1, offset=9))
    assert (key, value[:8]) == (b"1/head", (9).to_bytes(8, "big"))
