"""`score`: tables in, tables out, the same rows once each however often it was killed."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from services.inference import Scorer
from services.inference.batch import sink
from services.inference.batch.command import main
from services.inference.batch.job import Done, Job, run_job
from services.inference.batch.progress import Bar
from services.inference.batch.schedule import due
from services.inference.models.loaded import LoadedModel
from shared.batches import Batch
from shared.errors import InvalidInput
from tests.bundles import make_bundle
from tests.unit.inference.test_scorer import table

ROWS = 4_000


class Quiet:
    def begin(self, rows: int | None) -> None: ...

    def add(self, rows: int, *, known: bool) -> None: ...


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    pq.write_table(table(ROWS)[:3_000], folder / "a.parquet", row_group_size=700)
    pq.write_table(table(ROWS)[3_000:], folder / "b.parquet", row_group_size=700)
    return folder


def expected(model: LoadedModel) -> pa.Table:
    return pa.table({"id": np.arange(ROWS), "score": Scorer(model).score(table(ROWS)).scores[:, 0]})


def read(path: Path) -> pa.Table:
    return ds.dataset(path, format="parquet").to_table(columns=["id", "score"]).sort_by("id").replace_schema_metadata()


@pytest.mark.parametrize("name", ["scores.parquet", "scores"])
def test_a_folder_of_parquet_is_scored_to_the_bit(small: LoadedModel, source: Path, tmp_path: Path, name: str) -> None:
    job = Job(source, tmp_path / name)
    assert run_job(Scorer(small), job, Quiet()) == Done(ROWS, 0)
    assert read(job.output).equals(expected(small))
    assert run_job(Scorer(small), job, Quiet()) == Done(0, ROWS)
    assert sink.is_finished(job.output)


def test_csv_gives_the_same_scores(small: LoadedModel, tmp_path: Path) -> None:
    pacsv.write_csv(table(ROWS), tmp_path / "in.csv")
    job = Job(tmp_path / "in.csv", tmp_path / "out.parquet", keep=("id",))
    run_job(Scorer(small), job, Quiet())
    found = pq.read_table(job.output)
    assert found.column_names == ["id", "score", "model_digest"]
    assert found["score"].to_pylist() == expected(small)["score"].to_pylist()


def test_delta_in_and_out(small: LoadedModel, source: Path, tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    deltalake.write_deltalake(str(tmp_path / "delta"), table(ROWS))
    job = Job(tmp_path / "delta", tmp_path / "out", delta=True)
    assert run_job(Scorer(small), job, Quiet()) == Done(ROWS, 0)
    assert run_job(Scorer(small), job, Quiet()) == Done(0, ROWS)
    found = deltalake.DeltaTable(str(job.output)).to_pyarrow_table(columns=["id", "score"]).sort_by("id")
    assert found.equals(expected(small))
    run_job(Scorer(small), Job(source, job.output), Quiet())  # another job appends
    assert deltalake.DeltaTable(str(job.output)).to_pyarrow_table().num_rows == 2 * ROWS


@pytest.mark.parametrize("name", ["scores.parquet", "scores"])
def test_what_was_stopped_goes_on_and_ends_with_the_same_rows(
    small: LoadedModel, source: Path, tmp_path: Path, name: str
) -> None:
    job = Job(source, tmp_path / name)

    class Stopping(Quiet):
        left = 2

        def add(self, rows: int, *, known: bool) -> None:  # noqa: ARG002
            self.left -= not known
            if not self.left:
                raise KeyboardInterrupt

    starts = 0
    while True:
        starts += 1
        try:
            done = run_job(Scorer(small), job, Stopping())
            break
        except KeyboardInterrupt:
            continue
    assert (starts, done.scored + done.found) == (7, ROWS)
    assert read(job.output).equals(expected(small))


def killed_at(command: list[str], until: Callable[[], bool]) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not until():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_the_process_may_be_killed_at_any_point(state: Path, small: LoadedModel, tmp_path: Path) -> None:
    rows = table(400_000)
    pq.write_table(rows, tmp_path / "in.parquet", row_group_size=20_000)
    out = tmp_path / "out.parquet"
    arguments = ["score", "--model", make_bundle(state), "--state", str(state), "--input", str(tmp_path / "in.parquet")]
    command = [sys.executable, "-m", "services.inference", *arguments, "--output", str(out), "--keep", "id"]
    for parts in (1, 7):
        killed_at(command, (tmp_path / f"out.parquet.parts/part-{parts:05}.parquet").exists)
    assert not out.exists()
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(said.split(", ")[1].split()[0]) >= 8 * 20_000
    found = pq.read_table(out)
    assert found["id"].to_pylist() == list(range(400_000))
    assert found["score"].to_numpy().tobytes() == Scorer(small).score(rows).scores.tobytes()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("temp,wind\n1,2\n", "carrier: one column"),
        ("temp,wind,carrier\n1,2,DL\nhot,2,DL\n", r"in\.csv, column temp: a number or nothing in row 1"),
        ("temp,wind,carrier\n1,2,DL\n1,inf,DL\n", r"in\.csv, column wind: .* in row 1"),
        ("temp,wind,carrier\n1,2,DL\n1,2\n", "CSV"),
        ("temp,wind,carrier,score\n1,2,DL,3\n", "score: a column of the output's own"),
        ("", "can't be read"),
    ],
)
def test_bad_input_is_named(small: LoadedModel, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "in.csv").write_text(text)
    with pytest.raises(InvalidInput, match=told):
        run_job(Scorer(small), Job(tmp_path / "in.csv", tmp_path / "out"), Quiet())


def test_another_jobs_output_is_left_alone(small: LoadedModel, source: Path, tmp_path: Path) -> None:
    for name in ("out.parquet", "out"):
        run_job(Scorer(small), Job(source, tmp_path / name), Quiet())
        with pytest.raises(InvalidInput, match="output"):
            run_job(Scorer(small), Job(source / "a.parquet", tmp_path / name), Quiet())
    with pytest.raises(InvalidInput, match="holds other files"):
        run_job(Scorer(small), Job(source / "a.parquet", source), Quiet())


def test_two_processes_do_not_write_the_same_output(small: LoadedModel, source: Path, tmp_path: Path) -> None:
    job = Job(source, tmp_path / "out")
    with sink.Work(job.output, is_delta=False).locked(), pytest.raises(InvalidInput, match="another process"):
        run_job(Scorer(small), job, Quiet())


def test_the_command_says_what_is_wrong_in_one_line(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ["--input", str(tmp_path / "nothing"), "--output", str(tmp_path / "out"), "--state", str(state)]
    assert main(["score", "--model", make_bundle(state), *there]) == 1
    assert main(["score", "--model", "0" * 64, *there]) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in said] == ["input", "digest"]


def test_a_bar_on_a_terminal_tells_share_and_speed(capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal:
        text = ""

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            self.text += text
            return len(text)

        def flush(self) -> None: ...

    out = Terminal()
    bar = Bar(out)  # type: ignore[arg-type]
    bar.begin(1_000)
    bar.add(500, known=True)
    bar.end()
    assert "50% of 1,000 rows" in out.text


def test_a_schedule_tells_the_command_of_what_is_due(state: Path) -> None:
    batch = Batch(schedule="0 3 * * *", input="in/{date}.parquet", output="out/{time}.parquet")
    three = datetime(2026, 3, 1, 3, tzinfo=UTC)
    job = due("d" * 64, batch, Path("/b"), three - timedelta(hours=1), three + timedelta(seconds=20))
    assert job is not None
    assert (job.input, job.output) == (Path("/b/in/2026-03-01.parquet"), Path("/b/out/2026-03-01T0300.parquet"))
    assert job.command(state)[1:4] == ("-m", "services.inference", "score")
    assert due("d" * 64, batch, Path("/b"), three, three + timedelta(hours=1)) is None
