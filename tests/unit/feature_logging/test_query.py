"""`python -m services.feature_logging query`, and the views that it offers, on real tables."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

from services.feature_logging.__main__ import main
from services.feature_logging.store.query import View, rows_of, run_query
from shared.definition import Feature, Label, LabelKind, ModelDefinition
from shared.feature_log.schema import table_path
from shared.monitoring import Monitoring
from tests.unit.shared.feature_log.small_log import MODEL, Log, hours

NUMBER = "wind AS number"  # the samples' feature says which request a row is of


def asked(log: Log, capsys: pytest.CaptureFixture[str], sql: str, *options: str) -> list[dict[str, Any]]:
    command = ["query", sql, "--state", str(log.tables.parent), "--model", MODEL, "--format", "json", *options]
    assert main(command) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Requests 1 to 4, an hour apart; 1 is labelled and later corrected, 2 labelled, 3 only before it was made."""
    log = Log(tmp_path / "tables")
    with log.together():
        for number in range(1, 5):
            log.predict(number, hours(number), log_time=hours(number))
        log.label(1, hours(5), 1.0, log_time=hours(5))
        log.label(1, hours(6), 0.0, log_time=hours(8))
        log.label(2, hours(5), 1.0, log_time=hours(5))
        log.label(3, hours(1), 1.0, log_time=hours(5))
        log.label(4, hours(5), 9.0, log_time=hours(5), kind="business")
    return log


def test_joined_holds_each_prediction_beside_its_latest_label(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    log.predict(2, hours(2), repeat=True)
    rows = asked(log, capsys, f"SELECT {NUMBER}, label, repeat, label_time FROM joined ORDER BY 1, 3")
    assert [(row["number"], row["label"], row["repeat"]) for row in rows] == [
        *((1, 0.0, False), (2, 1.0, False), (2, 1.0, True), (3, None, False), (4, None, False)),
    ]
    assert rows[0]["label_time"] == "2013-03-01T06:00:00Z"


def test_joined_as_of_a_time_holds_what_was_known_then(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    sql = f"SELECT {NUMBER}, label FROM joined ORDER BY 1"
    told = [(row["number"], row["label"]) for row in asked(log, capsys, sql, "--as-of", "2013-03-01T07:00Z")]
    assert told == [(1, 1.0), (2, 1.0), (3, None), (4, None)]
    replayed = asked(log, capsys, sql, "--as-of", "2013-03-01T07:00Z", "--replayed")
    assert [row["label"] for row in replayed] == [0.0, 1.0, None, None]
    assert [row["number"] for row in asked(log, capsys, sql, "--as-of", "2013-03-01T02:30Z")] == [1, 2]
    assert [row["label"] for row in asked(log, capsys, sql, "--as-of", "2300-01-01T00:00Z")] == [0.0, 1.0, None, None]


@pytest.mark.parametrize(("kind", "latest"), [("binary", 1.0), ("regression", 7.0), (None, math.inf)])
def test_joined_leaves_out_labels_that_are_no_value_of_their_kind(
    tmp_path: Path, kind: LabelKind | None, latest: float
) -> None:
    log = Log(tmp_path)
    log.predict(1, hours(1))
    for number, value in enumerate((1.0, 7.0, math.nan, math.inf)):
        log.label(1, hours(2 + number), value)
    definitions = {} if kind is None else {MODEL: definition_of(kind)}
    (row,) = rows_of(run_query(log.tables, "SELECT label FROM joined", View(MODEL, None, definitions.get)))
    assert row["label"] == latest


def definition_of(kind: LabelKind) -> ModelDefinition:
    feature, label = Feature(name="wind", kind="numeric"), Label(name="delay", kind=kind, expected_delay_hours=1)
    monitoring = Monitoring(lateness_seconds=60)
    return ModelDefinition(name=MODEL, owner="ops", features=(feature,), label=label, monitoring=monitoring)


@pytest.mark.parametrize(("kind", "late"), [("binary", 1), (None, 0)])
def test_late_goes_by_the_models_own_lateness_whichever_model_is_asked_for(
    tmp_path: Path, kind: LabelKind | None, late: int
) -> None:
    log = Log(tmp_path)
    for number, hour in enumerate((5, 4.5)):
        log.predict(number, hours(hour), log_time=hours(6))
    definitions = {} if kind is None else {MODEL: definition_of(kind)}
    view = View(None, None, definitions.get)
    (row,) = rows_of(run_query(log.tables, f"SELECT count(*) AS late FROM {MODEL}.late", view))
    assert row["late"] == late


def test_an_empty_time_or_model_is_refused_and_named(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    for option, named in (("--as-of", "--as-of: a time"), ("--model", "model")):
        assert main(["query", "SELECT 1", option, "", "--state", str(log.tables.parent)]) == 1
        assert named in capsys.readouterr().err


def test_late_rows_are_those_more_than_the_lateness_behind_lower_offsets_of_their_partition(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    near = {"log_time": hours(9)}
    log.predict(5, hours(2.9), **near)  # an hour and six minutes behind request 4
    log.predict(6, hours(3), **near)  # an hour behind
    log.predict(7, hours(20), **near)  # in the future: it moves no clock
    log.predict(8, hours(3.5), **near)
    log.predict(9, hours(0), source_partition=1, source_offset=0, **near)
    log.predict(10, hours(8), source_partition=1, source_offset=1, source_row=0, **near)
    log.predict(11, hours(1), source_partition=1, source_offset=1, source_row=1, **near)  # of the same message
    rows = asked(log, capsys, f"SELECT {NUMBER}, highest_before FROM late")
    assert rows == [{"number": 5.0, "highest_before": "2013-03-01T04:00:00Z"}]


def test_tables_of_several_models_are_in_one_statement(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    table_path(log.tables, MODEL, "predictions").parent.rename(log.tables / "wine")
    log.predict(1, hours(1))
    sql = (
        "SELECT (SELECT count(*) FROM wine.predictions) AS wine, (SELECT count(*) FROM flights.predictions) AS flights"
    )
    assert asked(log, capsys, sql) == [{"wine": 4, "flights": 1}]


@pytest.mark.parametrize("model", ["public", "table"])
def test_a_model_may_be_named_as_a_word_of_sql(log: Log, capsys: pytest.CaptureFixture[str], model: str) -> None:
    table_path(log.tables, MODEL, "predictions").parent.rename(log.tables / model)
    log.predict(1, hours(1))
    command = ["query", f'SELECT count(*) AS n FROM joined UNION ALL SELECT count(*) FROM "{model}".joined']
    assert main([*command, "--state", str(log.tables.parent), "--model", model, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"n": 4}, {"n": 4}]
    assert asked(log, capsys, f"SELECT count(*) AS n FROM predictions -- {model}") == [{"n": 1}]


def test_csv_and_table_say_the_same_and_a_limit_is_told(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["query", f"SELECT {NUMBER}, scores, origin FROM flights.predictions", "--state", str(log.tables.parent)]
    assert main([*command, "--format", "csv", "--limit", "3"]) == 0
    out, error = capsys.readouterr()
    rows = list(csv.reader(io.StringIO(out)))
    assert (rows[0], len(rows), rows[1][1:]) == (["number", "scores", "origin"], 4, ["[0.25]", "EWR"])
    assert "more than these 3 rows" in error
    assert main([*command, "--limit", "0"]) == 0
    out, error = capsys.readouterr()
    assert [line.split()[1] for line in out.splitlines()] == ["scores", "------", *["[0.25]"] * 4]
    assert error == ""


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("COPY flights.predictions TO '{}/stolen.csv'", "one statement that only reads"),
        ("/* SELECT */ -- SELECT\n COPY flights.predictions TO '{}/stolen.csv'", "one statement that only reads"),
        ("EXPLAIN ANALYZE COPY flights.predictions TO '{}/stolen.csv'", "one statement that only reads"),
        ("SELECT 1; COPY flights.predictions TO '{}/stolen.csv'", "single SQL statement"),
        ("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{}'", "one statement that only reads"),
        ("INSERT INTO flights.predictions SELECT * FROM flights.predictions", "one statement that only reads"),
        ("WITH x AS (SELECT 1) INSERT INTO flights.predictions SELECT * FROM flights.predictions", "not implemented"),
        ("DELETE FROM flights.predictions", "one statement that only reads"),
        ("SELECT nothing FROM flights.predictions", "No field named nothing"),
        ("SELECT * FROM flights.rumours", "(tables and views: dead_letters, flights.business, flights.joined,"),
        ("SELECT 1/0 FROM flights.predictions", "Divide by zero"),
        ("SELECT to_timestamp_seconds(99999999999999)", "a time or duration is out of range"),
        (
            "SELECT p.wind, l.row, q.wind FROM flights.predictions p, flights.predictions q, flights.labels l",
            "several columns of one name (wind): name them with AS",
        ),
    ],
)
def test_what_is_no_query_is_refused_in_one_line_and_changes_nothing(
    log: Log, capsys: pytest.CaptureFixture[str], sql: str, said: str
) -> None:
    before = sorted(log.tables.parent.rglob("*"))
    assert main(["query", sql.format(log.tables.parent), "--state", str(log.tables.parent)]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert sorted(log.tables.parent.rglob("*")) == before


def test_a_table_holds_nothing_that_a_terminal_takes_for_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log(tmp_path / "tables")
    log.predict(1, hours(1), entity="a\x1b[31m\nb")
    sql = 'SELECT entity AS "c\x1bd" FROM flights.predictions'
    assert main(["query", sql, "--state", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == ["c d", "--------", "a [31m b"]


def test_a_model_without_tables_is_said(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT 1", "--state", str(log.tables.parent), "--model", "wine"]) == 1
    assert "model: the log has no tables of wine" in capsys.readouterr().err


def test_joined_holds_predictions_before_any_label_has_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(tmp_path / "tables")
    log.predict(1, hours(1))
    assert asked(log, capsys, f"SELECT {NUMBER}, label FROM joined") == [{"number": 1.0, "label": None}]
    assert asked(log, capsys, "SELECT * FROM flights.labels") == []


def test_what_json_cannot_hold_is_null(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT 0.0 / 0.0 AS a, 1.0 / 0.0 AS b, make_array(-1.0 / 0.0, 2.5) AS c"
    assert asked(log, capsys, sql) == [{"a": None, "b": None, "c": [None, 2.5]}]


@pytest.mark.parametrize("name", ["dead_letters", "forgotten", "gaps", "proof", "restated", "retired"])
def test_the_logs_own_tables_are_empty_while_it_has_not_made_them(
    log: Log, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert asked(log, capsys, f"SELECT * FROM {name}") == []
