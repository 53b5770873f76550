"""The model definition: what a user writes in `models/<name>/model.toml`, and nothing else."""

import hashlib
import json
import tomllib
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.errors import InvalidInput
from shared.feature_log.columns import RESERVED

NAME = r"^[a-z][a-z0-9_]{0,62}$"


class Section(BaseModel):
    """A table of the definition: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Feature(Section):
    """One input of the model. `min` and `max` are the allowed range, in `unit`."""

    name: str = Field(pattern=NAME)
    kind: Literal["numeric", "categorical"]
    unit: str = ""
    min: float | None = None
    max: float | None = None
    categories: tuple[str, ...] = ()
    description: str = ""


class Label(Section):
    """What the model predicts. `expected_delay_hours`: after this long nearly every label has come."""

    name: str = Field(pattern=NAME)
    kind: Literal["binary", "regression"]
    expected_delay_hours: float = Field(ge=0)
    description: str = ""


class Training(Section):
    """`function` is `module:function`; see `shared.training.TrainingFunction` for what it takes and gives."""

    function: str = Field(pattern=r"^[a-z_][\w.]*:[a-z_]\w*$")
    seed: int = 0
    hyperparameters: dict[str, int | float | str | bool] = {}


class Serving(Section):
    """`latency_slo_ms` at the 99th percentile; `max_rows` of one request."""

    latency_slo_ms: float = Field(default=50, gt=0)
    max_rows: int = Field(default=10_000, ge=1, le=100_000)


class Monitoring(Section):
    """Panes of `pane_seconds` of event time; `alarms_per_period` false alarms allowed in `period_days`."""

    pane_seconds: int = Field(default=60, ge=1, le=86_400)
    time_zone: str = "UTC"
    period_days: float = Field(default=30, gt=0)
    lateness_seconds: int = Field(default=3_600, ge=0)

    @model_validator(mode="after")
    def _panes_fill_the_day(self) -> Self:
        if 86_400 % self.pane_seconds:
            raise ValueError("pane_seconds must divide a day of 86400 s")
        ZoneInfo(self.time_zone)
        return self

    @property
    def panes_per_period(self) -> float:
        """A of the detector: steps of one stream in the budget period."""
        return self.period_days * 86_400 / self.pane_seconds


class Retraining(Section):
    """When a drift retrains, and on what.

    `wait_days` of event time after the onset must be labelled; the last `holdout_days` of them are the holdout;
    `cooldown_days` must pass before the same features start another run.
    """

    wait_days: float = Field(default=7, ge=0)
    holdout_days: float = Field(default=2, gt=0)
    cooldown_days: float = Field(default=7, ge=0)
    min_rows: int = Field(default=1_000, ge=1)


class Gate(Section):
    """The challenger passes when champion - challenger >= margin on the holdout (metrics: lower is better)."""

    metric: Literal["log_loss", "brier", "squared_error"] = "log_loss"
    margin: float = 0.0


class Approvals(Section):
    """How many different people of `role` must approve, and for how long a request stays open."""

    role: Literal["approver"] = "approver"
    count: int = Field(default=2, ge=1)
    expires_hours: float = Field(default=72, gt=0)


class ModelDefinition(Section):
    """Everything Driftline needs to know of a model."""

    name: str = Field(pattern=NAME)
    owner: str = Field(min_length=1)
    description: str = ""
    intended_use: str = ""
    features: tuple[Feature, ...] = Field(min_length=1)
    label: Label
    training: Training | None = None
    serving: Serving = Serving()
    monitoring: Monitoring = Monitoring()
    retraining: Retraining = Retraining()
    gate: Gate = Gate()
    approvals: Approvals = Approvals()

    @model_validator(mode="after")
    def _features_are_sound(self) -> Self:
        names = [feature.name for feature in self.features]
        if len(set(names)) < len(names):
            raise ValueError("features: two features have the same name")
        for feature in self.features:
            if feature.name in RESERVED:
                raise ValueError(f"features: {feature.name} is a name that the feature log keeps for itself")
            if feature.kind == "categorical" and feature.min is not None:
                raise ValueError(f"features: {feature.name} is categorical and has no range")
            if feature.kind == "numeric" and feature.categories:
                raise ValueError(f"features: {feature.name} is numeric and has no categories")
        return self

    @cached_property
    def numeric(self) -> tuple[str, ...]:
        """Names of the numeric features, in the definition's order."""
        return tuple(feature.name for feature in self.features if feature.kind == "numeric")

    @cached_property
    def categorical(self) -> tuple[str, ...]:
        """Names of the categorical features, in the definition's order."""
        return tuple(feature.name for feature in self.features if feature.kind == "categorical")

    @cached_property
    def digest(self) -> str:
        """sha256 of the definition's content, whatever the layout of the file."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def label_delay(self) -> timedelta:
        """After this long nearly every label has come."""
        return timedelta(hours=self.label.expected_delay_hours)


def parse_definition(text: str) -> ModelDefinition:
    """Read a definition from TOML.

    Raises:
        InvalidInput: not TOML, or a field is missing, unknown or out of bounds; `field` is its path.
    """
    try:
        return ModelDefinition.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput("model.toml", str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(".".join(map(str, first["loc"])), first["msg"]) from error


def read_definition(path: Path) -> ModelDefinition:
    """Read a definition from a file; raises as `parse_definition` does, and OSError."""
    return parse_definition(path.read_text(encoding="utf-8"))
