"""The feature log in an S3-compatible store: as exact as in a folder."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from deltalake import DeltaTable, write_deltalake
from upath import UPath

from services.feature_logging.store.compaction import checkpoint, compact
from services.feature_logging.store.forgetting.orders import Forgetting
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.query import View, rows_of, run_query
from services.feature_logging.store.table import Fenced, LogTable
from services.feature_logging.store.upkeep.vacuum import clean
from services.feature_logging.store.upstream import begun_at, cluster_of
from services.feature_logging.stream.intake import Intake
from services.retrain_trigger.domain.runs import Step
from services.retrain_trigger.pipeline.child import task_line
from services.retrain_trigger.pipeline.job import Job, Result, Workspace
from services.retrain_trigger.pipeline.steps import pin
from services.retrain_trigger.settings import Settings
from shared.feature_log.completeness import completeness
from shared.feature_log.damage import find_damage
from shared.feature_log.delta_log import tables_below
from shared.feature_log.forgotten import last_change
from shared.feature_log.opened import open_log
from shared.feature_log.proof.restated import restated
from shared.feature_log.proof.verify import verify
from shared.feature_log.reading import models_in
from shared.feature_log.schema import table_path
from shared.feature_log.snapshot import Bounds, pin_snapshot, read_snapshot
from shared.storage import check_exclusive, files_in, is_folder, place_at, sizes_of, write_once
from tests.integration.feature_log_service import ROOT, Service, kafka_of_its_own, make_bundle, until_all_is_committed
from tests.integration.log_stream import MODELS, Stream, logged, paired, producing
from tests.integration.object_store import AWAY, BACK, BUCKET, ObjectStore, running_store
from tests.unit.feature_logging.samples import (
    DIGEST,
    MODEL,
    START,
    TOPIC,
    FakeBundles,
    definition,
    feature_log,
    label_message,
    place,
    prediction_message,
)
from tests.unit.feature_logging.test_compaction import P0, P1, commit
from tests.unit.retrain_trigger.stand import MODEL as TURNCOAT
from tests.unit.retrain_trigger.stand import history, job_on

BOUNDS = Bounds(START - timedelta(days=1), START + timedelta(days=9), START + timedelta(days=9), "binary", "left")


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with running_store() as server:
        yield server


@pytest.fixture
def tables(store: ObjectStore, request: pytest.FixtureRequest) -> Path:  # it runs
    return place_at(f"s3://{BUCKET}/{request.node.name}/tables")


async def log_some(tables: Path, offsets: Sequence[int]) -> None:
    log = feature_log(tables)
    intake = Intake(log, FakeBundles({DIGEST: definition()}).get)
    for offset in offsets:
        await intake.handle(prediction_message(offset))
        await intake.handle(label_message(offset))
        await intake.flush()
    await log.prove()


async def test_rows_snapshots_and_the_proof_are_those_of_a_folder(tables: Path, tmp_path: Path) -> None:
    for where in (tables, tmp_path):
        await log_some(where, range(3))
    ours, theirs = (pin_snapshot(where, MODEL, BOUNDS) for where in (tables, tmp_path))
    assert len(ours) == 9
    assert ours.table.equals(theirs.table)
    assert ours.pin.row_hash == theirs.pin.row_hash
    log = open_log(tables)
    proved = verify(log, completeness(log), (), restated(tables, None))
    assert (proved.complete, proved.links > 0) == (True, True)
    counted = rows_of(run_query(tables, "SELECT count(*) AS rows FROM predictions", View(MODEL, None)))
    assert list(counted) == [{"rows": 9}]


def test_of_two_writers_at_one_moment_none_overwrites_the_other(tables: Path) -> None:
    place_of_all = place(tables)
    LogTable(place_of_all)

    def write(partition: int) -> int:
        table, refused = LogTable(place_of_all), 0
        for offset in range(4):
            while True:
                try:
                    commit(table, offset, partition)
                    break
                except Fenced:
                    table.refresh()
                    refused += 1
        return refused

    with ThreadPoolExecutor() as two:
        list(two.map(write, (0, 1)))
    table = LogTable(place_of_all)
    assert (table.delta.to_pyarrow_table().num_rows, table.version_of(P0), table.version_of(P1)) == (16, 4, 4)


def test_a_retraining_pins_and_reads_its_rows_there(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_TABLES", str(tables))
    write_deltalake(str(table_path(tables, TURNCOAT, "history")), history(), partition_by=["event_day"])
    job = Job.model_validate(json.loads(task_line(job_on(Settings(state=tmp_path)), {}))["job"])
    done: dict[Step, Result] = {"pin": pin(Workspace(job, {}))}
    assert len(Workspace(job, done).snapshot) == done["pin"]["pin"]["rows"] > 0


def test_a_writer_that_has_lost_its_partition_is_refused(tables: Path) -> None:
    check_exclusive(tables)
    first, second = LogTable(place(tables)), LogTable(place(tables))
    commit(first, 0)
    with pytest.raises(Fenced):
        commit(second, 0)
    assert LogTable(place(tables)).delta.to_pyarrow_table().num_rows == 2


def test_a_store_that_does_not_answer_is_not_taken_for_an_empty_one(
    tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(LogTable(place(tables)), 0)
    monkeypatch.setattr("shared.s3.Store.retries", 1)
    quick = {"retries": {"max_attempts": 0}, "connect_timeout": 1}
    nobody = "http://127.0.0.1:9"  # the discard port
    away = cast(Path, UPath(str(tables), use_listings_cache=False, endpoint_url=nobody, config_kwargs=quick))
    asks: list[Callable[[Path], object]] = [last_change, models_in, is_folder, open_log]
    asks += [
        lambda at: list(tables_below(at)),
        lambda at: list(files_in(at, deep=True)),
        lambda at: sizes_of(at, ["x"]),
        lambda at: write_once(at / "x", "y"),
    ]
    for ask in asks:
        with pytest.raises(OSError, match="connect"):
            ask(away)


def test_compaction_and_cleaning_leave_what_is_pinned(tables: Path) -> None:
    table = LogTable(place(tables))
    for offset in range(3):
        commit(table, offset)
    pinned, pin = table.delta.version(), pin_snapshot(tables, MODEL, BOUNDS).pin
    assert compact(table) > 1
    for offset in range(3, 6):
        commit(table, offset)
    assert compact(table) > 1
    checkpoint(table)
    removed = clean(table.path, (pinned,), age=-3600)
    assert removed.data_files > 0
    assert removed.log_files > 0
    assert read_snapshot(tables, MODEL, pin).pin == pin
    assert LogTable(place(tables)).version_of(P0) == 6


def test_what_is_known_of_kafka_is_written_once_and_is_no_table(tables: Path) -> None:
    commit(LogTable(place(tables)), 0)
    assert [cluster_of(tables, told) for told in ("one", "two")] == ["one", "one"]
    assert [begun_at(tables, {(TOPIC, 1): offset}) for offset in (4, 7)] == [{(TOPIC, 1): 4}] * 2
    assert begun_at(tables, {(TOPIC, 2): 7}) == {(TOPIC, 2): 0}  # which the topic got later
    assert models_in(tables) == [MODEL]
    assert list(tables_below(tables)) == [place(tables).path]


async def test_a_lost_object_is_found_and_an_entity_forgotten(tables: Path, tmp_path: Path) -> None:
    await log_some(tables, range(2))
    forgetting = Forgetting(tables, KeyStore(tmp_path))
    forgotten = forgetting.carry_out(forgetting.order("N1", MODEL, "someone"), "N1")
    assert {each.table: each.rows for each in forgotten.tables if each.rows} == {"predictions": 1}
    path = place(tables).path
    lost = DeltaTable(str(path)).file_uris()[0].rpartition("/tables/flights/predictions/")[2]
    (path / lost).unlink()
    assert [said for damage in find_damage(tables) for said in damage.told()] == [f"data file {lost} is gone"]


@pytest.fixture
async def kafka(tmp_path: Path) -> AsyncIterator[str]:
    async with kafka_of_its_own(tmp_path) as address:
        yield address


def answer(state: Path, *words: str) -> str:
    command = (sys.executable, "-m", "services.feature_logging", *words, "--state", str(state))
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


async def test_killed_and_without_its_store_for_a_while_the_service_logs_each_row_once(
    store: ObjectStore, tables: Path, tmp_path: Path, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTLINE_TABLES", str(tables))
    stream = Stream({model: make_bundle(tmp_path, model) for model in MODELS})
    often = {"DRIFTLINE_UPKEEP_SECONDS": "2", "DRIFTLINE_PROVE_SECONDS": "1"}
    service = Service(tmp_path, kafka, DRIFTLINE_INSTANCE="one", DRIFTLINE_COMMIT_SECONDS="1", **often)
    async with producing(kafka) as producer:
        async with service.running():
            await stream.send(producer, 40)
            await asyncio.sleep(1.5)
            await service.end(signal.SIGKILL)
        async with service.running():
            await until_all_is_committed(kafka)
            store.be(AWAY)
            await stream.send(producer, 20)
            await until_it_says(service, "the feature log can't be")
            await until_it_says(service, "can't look after the tables")
            answers = [await service.get(path, "viewer") for path in ("/ready", f"/labels?model={MODEL}")]
            assert [answer.status_code for answer in answers] == [503, 503]
            store.be(BACK)
            await until_all_is_committed(kafka)
            assert await service.end() == 0
        assert await paired(kafka) == stream.pairs
    assert logged(tables) == stream.sent
    assert "complete, as it was logged" in answer(tmp_path, "verify")


async def until_it_says(service: Service, words: str) -> None:
    for _ in range(600):
        if words in service.said():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(service.said())
