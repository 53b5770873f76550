"""Small models of the detector's tests: a reference from columns as they are, and the sketches of panes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from services.drift_detection.domain.detector.bank import Bank, Step
from services.drift_detection.domain.detector.budget import Budget
from shared.definition import Feature, Label, ModelDefinition
from shared.features import Rows
from shared.monitoring import Monitoring
from shared.reference import NumericProfile, Reference, Sketch, build_reference

START = np.datetime64("2026-03-01T00:00:00", "us")
HOUR = 3_600_000_000
FIRST = int(START.astype(np.int64))
LEVELS = tuple("abcdefghijklmnopqrstuvwxyz")


def budget(streams: int = 4, steps: float = 720) -> Budget:
    return Budget(streams, steps, 1000)


def _rows(numeric: Mapping[str, ArrayLike], levels: Mapping[str, ArrayLike]) -> Rows:
    count = max(len(np.atleast_1d(values)) for values in (*numeric.values(), *levels.values()))
    rows = Rows(np.empty((count, len(numeric)), np.float32), np.empty((count, len(levels)), np.int32))
    for block, columns in ((rows.numeric, numeric), (rows.categorical, levels)):
        for number, values in enumerate(columns.values()):
            block[:, number] = values
    return rows


@dataclass(frozen=True)
class World:
    """A model without scores, of these features; `pane` is the size of its panes."""

    reference: Reference
    monitoring: Monitoring

    @property
    def pane(self) -> int:
        return self.monitoring.pane_seconds * 1_000_000

    def sketch(self, numeric: Mapping[str, ArrayLike], levels: Mapping[str, ArrayLike] | None = None) -> Sketch:
        """Of rows by column, in the order of the reference; one value stands for all rows."""
        rows, sketch = _rows(numeric, levels or {}), self.reference.empty_sketch()
        sketch.add(rows, np.empty((len(rows), 0), np.float32), self.reference.measure)
        return sketch

    def bank(self, steps: float = 720, others: int = 0) -> Bank:
        return Bank({"all": self.reference}, steps, self.monitoring.nominal_rows, others)


def world(
    numeric: Mapping[str, ArrayLike],
    levels: Mapping[str, ArrayLike] | None = None,
    *,
    rows_per_pane: int = 100,
    categories: tuple[str, ...] = LEVELS,
    **monitoring: str | int,
) -> World:
    """Of a reference with so many rows in each pane, from `START` on."""
    rows, levels = _rows(numeric, levels or {}), levels or {}
    settings = Monitoring.model_validate({"pane_seconds": 3600, **monitoring})
    kinds = [(name, "numeric") for name in numeric] + [(name, "categorical") for name in levels]
    definition = ModelDefinition(
        name="world",
        owner="tests",
        features=tuple(Feature.model_validate({"name": name, "kind": kind}) for name, kind in kinds),
        label=Label(name="y", kind="binary", expected_delay_hours=1),
        monitoring=settings,
    )
    offsets = np.arange(len(rows)) * settings.pane_seconds * 1_000_000 // rows_per_pane
    scores = np.empty((len(rows), 0), np.float32)
    built = build_reference(
        rows, START + offsets.astype("timedelta64[us]"), scores, definition, dict.fromkeys(levels, categories)
    )
    return World(built, settings)


def profile(values: ArrayLike, rows_per_pane: int = 100) -> NumericProfile:
    """Of one numeric column."""
    return world({"x": values}, rows_per_pane=rows_per_pane).reference.numeric[0]


def changed(reference: Reference, **fields: object) -> Reference:
    """A reference with other fields: its copy would keep what was worked out from the old ones."""
    told = {name: getattr(reference, name) for name in Reference.model_fields} | fields
    return Reference.model_validate(told)


def run(bank: Bank, sketches: list[Sketch], pane: int = HOUR) -> list[Step]:
    """The steps of successive panes of all rows."""
    memory, steps = bank.start(), []
    for number, sketch in enumerate(sketches):
        steps.append(bank.step(memory, FIRST + number * pane, {"all": sketch}))
        memory = steps[-1].after
    return steps
