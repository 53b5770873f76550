"""A table that is scored now and then, as a model's definition says it."""

import re
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared.cron import Cron


class Section(BaseModel):
    """A table of the definition: frozen, an unknown key is an error, and so are TOML's inf and nan."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Batch(Section):
    """A table that is scored by `schedule`, five fields of cron in UTC.

    `input` and `output` are paths below inference's folder for them; `{date}` and `{time}` say when the run was due, as
    2026-03-01 and 2026-03-01T0300, and an output has one of them: each run has its own.
    """

    schedule: str
    input: str = Field(min_length=1)
    output: str = Field(min_length=1)

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, schedule: str) -> str:
        Cron.parse(schedule)
        return schedule

    @field_validator("input", "output")
    @classmethod
    def _stays_below(cls, path: str) -> str:
        parts = Path(path).parts
        if Path(path).is_absolute() or ".." in parts or not parts:
            raise ValueError("a path below the folder of batches, without ..")
        if set(re.findall(r"\{[^{}]*\}|[{}]", path)) - {"{date}", "{time}"}:
            raise ValueError("there are {date} and {time}, and no other braces")
        return path

    @model_validator(mode="after")
    def _each_run_has_its_output(self) -> Self:
        if "{date}" not in self.output and "{time}" not in self.output:
            raise ValueError("output: {date} or {time} in it, for each run has its own")
        return self
