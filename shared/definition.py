"""The model definition: what a user writes in `models/<name>/model.toml`, and nothing else."""

import hashlib
import json
import re
import tomllib
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from shared.batches import Batch, Section
from shared.errors import InvalidInput, first_problem
from shared.feature_log.columns import RESERVED
from shared.monitoring import MOST_DAYS, Monitoring
from shared.rollout import Rollout

LabelKind = Literal["binary", "regression"]
Sensitive = Literal["hash", "encrypt", "leave_out"]
NAME = r"^[a-z][a-z0-9_]{0,62}$"
MOST_HOURS = MOST_DAYS * 24
_WATCHED_BESIDE = re.compile(r"risk|score_\d+")  # what alarms beside features do, by its name


class Feature(Section):
    """One input of the model. `min` and `max` are the allowed range, in `unit`.

    `sensitive`: the feature log keeps it as a keyed hash, encrypted with a key of the row's entity, or not at all.
    """

    name: str = Field(pattern=NAME)
    kind: Literal["numeric", "categorical"]
    unit: str = ""
    min: float | None = None
    max: float | None = None
    categories: tuple[str, ...] = ()
    description: str = ""
    sensitive: Sensitive | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = handler(self)
        if self.sensitive is None:  # definitions from before there was this keep their digest
            told.pop("sensitive", None)
        return told

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.name in RESERVED:
            raise ValueError(f"{self.name} is a column of the feature log's own: take another name")
        if _WATCHED_BESIDE.fullmatch(self.name):
            raise ValueError(
                f"{self.name} is what the model's own {self.name.split('_')[0]} is called: take another name"
            )
        if self.kind == "categorical" and (self.min is not None or self.max is not None):
            raise ValueError(f"{self.name} is categorical and has no range")
        if self.kind == "numeric" and self.categories:
            raise ValueError(f"{self.name} is numeric and has no categories")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"{self.name}: min is greater than max")
        return self


class Label(Section):
    """What the model predicts. `expected_delay_hours`: after this long nearly every label has come."""

    name: str = Field(pattern=NAME)
    kind: LabelKind
    expected_delay_hours: float = Field(ge=0, le=MOST_HOURS)
    description: str = ""


class Training(Section):
    """`function` is `module:function`; see `shared.training.TrainingFunction` for what it takes and gives."""

    function: str = Field(pattern=r"^[a-z_][\w.]*:[a-z_]\w*$")
    seed: int = 0
    hyperparameters: dict[str, int | float | str | bool] = Field(default_factory=dict)


class Serving(Section):
    """`latency_slo_ms` at the 99th percentile; `max_rows` of one request; `batch`: a table scored now and then.

    `when_log_is_full`, that is Kafka away and no more room for predictions on disk: refuse requests, or serve unlogged.
    """

    latency_slo_ms: float = Field(default=50, gt=0)
    max_rows: int = Field(default=10_000, ge=1, le=100_000)
    when_log_is_full: Literal["refuse", "serve"] = "refuse"
    batch: Batch | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = handler(self)
        if self.batch is None:  # definitions from before there were batches keep their digest
            del told["batch"]
        return told


class Retraining(Section):
    """When a drift retrains, and on what.

    `wait_days` of event time after the onset must be labelled; the last `holdout_days` of them are the holdout;
    `cooldown_days` must pass before the same features start another run.
    """

    wait_days: float = Field(default=7, ge=0, le=MOST_DAYS)
    holdout_days: float = Field(default=2, gt=0, le=MOST_DAYS)
    cooldown_days: float = Field(default=7, ge=0, le=MOST_DAYS)
    min_rows: int = Field(default=1_000, ge=1)


class Gate(Section):
    """The challenger passes when champion - challenger >= margin in this metric on the holdout; lower is better."""

    metric: Literal["log_loss", "brier", "squared_error"] = "log_loss"
    margin: float = 0.0


class Approvals(Section):
    """How many different people of `role` must approve, two at the least, and for how long a request stays open."""

    role: Literal["approver"] = "approver"
    count: int = Field(default=2, ge=2)
    expires_hours: float = Field(default=72, gt=0, le=MOST_HOURS)


class ModelDefinition(Section):
    """Everything Driftline needs to know of a model. `entity_sensitive`: the feature log keeps entities hashed."""

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
    rollout: Rollout | None = None
    entity_sensitive: bool = False

    @model_serializer(mode="wrap")
    def _without_what_is_not_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = handler(self)
        if self.rollout is None:  # definitions from before there were comparisons keep their digest
            told.pop("rollout", None)
        if not self.entity_sensitive:
            told.pop("entity_sensitive", None)
        return told

    @field_validator("features")
    @classmethod
    def _names_differ(cls, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
        names = [feature.name for feature in features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two features have the same name: {', '.join(twice)}")
        return features

    @model_validator(mode="after")
    def _segments_are_categorical(self) -> Self:
        for name in self.monitoring.segments:
            if name not in self.categorical:
                raise ValueError(f"monitoring.segments: {name} is no categorical feature")
        return self

    @cached_property
    def numeric(self) -> tuple[str, ...]:
        """Names of the numeric features, in the definition's order."""
        return tuple(feature.name for feature in self.features if feature.kind == "numeric")

    @cached_property
    def categorical(self) -> tuple[str, ...]:
        """Names of the categorical features, in the definition's order."""
        return tuple(feature.name for feature in self.features if feature.kind == "categorical")

    def kept_as(self, *forms: Sensitive) -> tuple[str, ...]:
        """Names of the features that the feature log keeps in one of these forms."""
        return tuple(feature.name for feature in self.features if feature.sensitive in forms)

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
        # By way of JSON pydantic can be strict ("60" and true are no numbers) and still take an array for a tuple.
        return ModelDefinition.model_validate_json(json.dumps(tomllib.loads(text), default=str), strict=True)
    except ValidationError as error:
        raise InvalidInput(*first_problem(error, "model.toml")) from error
    except (ValueError, RecursionError) as error:  # not TOML, a number of thousands of digits, nested too deep
        raise InvalidInput("model.toml", str(error)) from error


def read_definition(path: Path) -> ModelDefinition:
    """Read a definition from a UTF-8 file; raises as `parse_definition` does, and OSError."""
    return decode_definition(path.read_bytes())


def decode_definition(content: bytes) -> ModelDefinition:
    """Read a definition from the bytes of a file; raises as `parse_definition` does."""
    try:
        return parse_definition(content.decode())
    except UnicodeDecodeError as error:
        raise InvalidInput("model.toml", f"must be UTF-8: {error}") from error
