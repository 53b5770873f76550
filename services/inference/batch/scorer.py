"""The in-process scorer: a data pipeline's way to a model, by the same code that answers requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from services.inference.domain.columns import Columns, as_table, check_columns, encoded
from services.inference.models.loaded import STACKED_ROWS, LoadedModel, load
from shared.bundle import open_bundle
from shared.features import Float32, Rows


class Scored(NamedTuple):
    """`scores` float32 [n, 1]; `outputs` the graph's by name, n rows each; `rows` as they are logged."""

    scores: Float32
    outputs: dict[str, NDArray[Any]]
    rows: Rows


class Scorer:
    """Scores columns named as the model's features. Safe to use from several threads.

    A row's score is, to the bit, the one that REST gives on the same kind of CPU, alone or among others, but for a
    model whose `multiple` is 0. If a model's outputs hang on the rows beside them each row is run alone, as in a
    request of one row.
    """

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self._most = min(STACKED_ROWS, model.definition.serving.max_rows) if model.stackable else 1

    @classmethod
    def open(cls, bundles: Path | str, digest: str, trust: Path | str) -> "Scorer":
        """A scorer for a bundle of the store `bundles`, verified with the public keys in `trust`.

        Raises:
            InvalidInput: there is no such bundle, it was tampered with, or its graph is refused.
        """
        return cls(load(open_bundle(Path(bundles), digest, Path(trust))))

    def score(self, columns: Columns, *, first: int = 0) -> Scored:
        """The scores of n rows; null and NaN are missing values, columns that are no features are passed over.

        Raises:
            InvalidInput: `field` is the column that is missing or wrong; the text counts rows from `first`.
            ModelFailed: the model can't compute this.
        """
        table = as_table(columns)
        check_columns(table.schema, self.model.definition)
        parts = [self._run(table[start : start + self._most], first + start) for start in self._starts(len(table))]
        outputs = {name: np.concatenate([part.outputs[name] for part in parts]) for name in parts[0].outputs}
        numeric = np.concatenate([part.rows.numeric for part in parts])
        categorical = np.concatenate([part.rows.categorical for part in parts])
        return Scored(np.concatenate([part.scores for part in parts]), outputs, Rows(numeric, categorical))

    def _starts(self, rows: int) -> Iterator[int]:
        yield from range(0, max(rows, 1), self._most)

    def _run(self, table: pa.Table, first: int) -> Scored:
        if not len(table):
            return self._nothing()
        inputs = encoded(table, self.model.definition, self.model.encoder, first)
        outputs = self.model.run(inputs.tensor)
        return Scored(self.model.scores(outputs), outputs, inputs.rows)

    def _nothing(self) -> Scored:
        """Of no rows: graphs need not be able to run on none."""
        definition = self.model.definition
        outputs = self.model.run(np.zeros((1, len(definition.features)), dtype=np.float32))
        none = {name: output[:0] for name, output in outputs.items()}
        numeric = np.empty((0, len(definition.numeric)), dtype=np.float32)
        categorical = np.empty((0, len(definition.categorical)), dtype=np.int32)
        return Scored(self.model.scores(outputs)[:0], none, Rows(numeric, categorical))
