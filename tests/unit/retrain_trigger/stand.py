"""A small model with a history, a champion and an incident, for tests: the label turns round when the feed goes wrong.

Fifty rows a day from 1 March; `temp` tells the label, and from 25 March on it comes with the opposite sign.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from services.retrain_trigger.domain.runs import Step
from services.retrain_trigger.pipeline.job import Job, Places, Result, Workspace
from services.retrain_trigger.pipeline.steps import work
from services.retrain_trigger.settings import Settings
from shared.events import DriftDetected, DriftedFeature, stable_id
from shared.feature_log.schema import HISTORY, LABELS, PREDICTIONS, TableKind, table_path
from shared.keys import make_keys

MODEL = "turncoat"
START = datetime(2013, 3, 1, tzinfo=UTC)
ONSET = datetime(2013, 3, 25, tzinfo=UTC)
WAIT_UNTIL = ONSET + timedelta(days=7)
LABELLED_AT = WAIT_UNTIL + timedelta(hours=1)
DAYS, A_DAY = 33, 50
TRAINERS = "tests.unit.retrain_trigger.trainers"


def definition_text(function: str = "fit", model: str = MODEL, **hyperparameters: object) -> str:
    """The model's definition as TOML."""
    settings = "\n".join(f"{name} = {value!r}" for name, value in hyperparameters.items())
    return f"""
name = "{model}"
owner = "ops"
features = [{{ name = "temp", kind = "numeric" }}, {{ name = "carrier", kind = "categorical" }}]
label = {{ name = "late", kind = "binary", expected_delay_hours = 1 }}
monitoring = {{ pane_seconds = 3600 }}
retraining = {{ wait_days = 7, holdout_days = 2, cooldown_days = 14, min_rows = 200 }}
gate = {{ metric = "log_loss", margin = 0.01 }}
[training]
function = "{TRAINERS}:{function}"
seed = 5
[training.hyperparameters]
{settings}
"""


def history(days: int = DAYS) -> pa.Table:
    """Labelled rows of the given number of days."""
    count = days * A_DAY
    random = np.random.default_rng(11)
    times = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(count) * np.timedelta64(86_400_000_000 // A_DAY)
    truth = random.normal(size=count)
    temp = np.where(times < np.datetime64(ONSET.replace(tzinfo=None), "us"), truth, -truth).astype(np.float32)
    late = (truth + random.normal(scale=0.7, size=count) > 0).astype(np.float64)
    stamps = pa.array(times, pa.timestamp("us", "UTC"))
    columns = {
        "request_id": pa.array([int(number).to_bytes(16, "big") for number in range(count)], pa.binary()),
        "row": pa.array(np.zeros(count, np.int32)),
        "entity": pa.nulls(count, pa.string()),
        "event_time": stamps,
        "event_day": stamps.cast(pa.date32()),
        "log_time": stamps,
        "label": pa.array(late),
        "label_time": pa.array(times + np.timedelta64(1_800_000_000), pa.timestamp("us", "UTC")),
        "temp": pa.array(temp),
        "carrier": pa.array([("UA", "AA", None)[number % 3] for number in range(count)]),
    }
    schema = pa.schema([*HISTORY, ("temp", pa.float32()), ("carrier", pa.string())])
    return pa.table(columns).select(schema.names).cast(schema)


def label_known_at(tables: Path, model: str, moment: datetime) -> None:
    """Put a prediction of this event time and its label, which came at once, into the feature log."""
    row = {"request_id": b"0" * 16, "row": 0, "event_time": moment, "event_day": moment.date()}
    made = row | {"role": "champion", "repeat": False, "scores": [0.5]}
    kinds: dict[TableKind, pa.Table] = {
        "predictions": pa.Table.from_pylist([made], PREDICTIONS),
        "labels": pa.Table.from_pylist([row | {"value": 1.0}], LABELS),
    }
    for kind, table in kinds.items():
        write_deltalake(table_path(tables, model, kind), table, mode="append", partition_by=["event_day"])


def job_on(
    settings: Settings, champion: str | None = None, end: datetime = WAIT_UNTIL, text: str = "", name: str = "x"
) -> Job:
    """A job on the stack's history up to `end`."""
    return Job(
        places=Places.of(settings, settings.state / "own" / name),
        definition=text or definition_text(),
        champion=champion,
        start=START,
        end=end,
        as_of=end + timedelta(hours=1),
        signer="retrain_trigger",
        code_commit="unknown",
    )


class Stand:
    """A state folder with keys, a history and a champion that was trained on the rows before the feed went wrong."""

    def __init__(self, state: Path, function: str = "fit", model: str = MODEL, **hyperparameters: object) -> None:
        self.model = model
        self.settings = Settings(state=state, poll_seconds=0.05)
        make_keys(state)
        place = table_path(self.settings.tables, model, "history")
        write_deltalake(place, history(), partition_by=["event_day"])
        self.definition = definition_text(function, model, **hyperparameters)
        self.champion = self._champion()

    def _champion(self) -> str:
        """Trained by `fit`, whatever function the definition in its bundle names for the next one."""
        first = self.job(champion=None, end=ONSET, text=definition_text(model=self.model))
        done = self.done(first)
        del done["bundle"]
        job = first.model_copy(update={"definition": self.definition})
        return str(dict(work(Workspace(job, done)))["bundle"]["digest"])

    def job(self, champion: str | None, end: datetime = WAIT_UNTIL, text: str | None = None, name: str = "x") -> Job:
        """A job on the history up to `end`."""
        return job_on(self.settings, champion, end, text or self.definition, name)

    def done(self, job: Job) -> dict[Step, Result]:
        """The results of all steps, done here."""
        return dict(work(Workspace(job, {})))


def incident(digest: str = "a" * 64, number: int = 1, **changes: object) -> DriftDetected:
    """An alarm for `temp` with `dewp` beside it."""
    incident_id = stable_id("incident", changes.get("model", MODEL), number)
    told = {
        "id": stable_id("DriftDetected", incident_id, changes.get("revision", 0)),
        "time": ONSET + timedelta(hours=1),
        "model": MODEL,
        "incident_id": incident_id,
        "digest": digest,
        "role": "champion",
        "window_id": stable_id("window", number),
        "start": ONSET,
        "end": ONSET + timedelta(hours=1),
        "onset": ONSET,
        "severity": "major",
        "features": (drifted("temp"),),
        "also_moved": (drifted("dewp"),),
        "budget": 0.1,
        "assumption": "a Pareto tail of index 4",
    }
    return DriftDetected.model_validate(told | changes)


def drifted(name: str) -> DriftedFeature:
    """A feature that jumped."""
    return DriftedFeature(name=name, rule="jump", statistic=9.0, threshold=8.0, evidence=7200.0, effect=-20.0)
