"""The model that is watched: 55 numeric features, 5 categorical ones, a score; its reference, bundle and messages."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.batch import Meta, PredictionBatch, encode_batch
from shared.bundle import BundleContents, write_bundle
from shared.definition import parse_definition
from shared.features import Float32, Rows
from shared.reference import Reference, build_reference
from tests.bundles import small_lineage

NUMERIC, CATEGORICAL, SKEWED = 55, 5, 20
LEVELS = tuple(f"level {number}" for number in range(40))
REFERENCE_ROWS = 20_000
PANE_SECONDS = 60
START = np.datetime64("2026-03-01", "us")
MODEL = "wide"
_FEATURE = '[[features]]\nname = "{name}"\nkind = "{kind}"\n'
_DEFINITION = """
name = "wide"
owner = "benchmarks"
{features}
[label]
name = "outcome"
kind = "binary"
expected_delay_hours = 6

[monitoring]
pane_seconds = 60
"""


def numbers(count: int, seed: int, columns: int = NUMERIC) -> Float32:
    """float32 [count, columns]: 20 skewed columns, the others normal; one value in a hundred is missing."""
    random = np.random.default_rng(seed)
    block = random.normal(size=(count, columns))
    block[:, :SKEWED] = np.exp(block[:, :SKEWED])
    block[random.random(block.shape) < 0.01] = np.nan
    return block.astype(np.float32)


def rows(count: int, seed: int, categorical: int = CATEGORICAL) -> tuple[Rows, Float32]:
    """So many rows and their scores."""
    random = np.random.default_rng(seed)
    codes = np.minimum(random.geometric(0.1, (count, categorical)) - 1, len(LEVELS) - 1)
    return Rows(numbers(count, seed), codes.astype(np.int32)), random.random((count, 1), dtype=np.float32)


def definition_text(categorical: int = CATEGORICAL) -> str:
    """TOML of the model's definition."""
    kinds = [(f"n{number}", "numeric") for number in range(NUMERIC)]
    kinds += [(f"c{number}", "categorical") for number in range(categorical)]
    return _DEFINITION.format(features="".join(_FEATURE.format(name=name, kind=kind) for name, kind in kinds))


@cache
def reference(categorical: int = CATEGORICAL) -> Reference:
    """Of 20,000 rows in the ten days before START."""
    known, scores = rows(REFERENCE_ROWS, 1, categorical)
    step = np.timedelta64(10 * 86_400_000_000 // REFERENCE_ROWS, "us")
    times = START - step * np.arange(REFERENCE_ROWS, 0, -1)
    definition = parse_definition(definition_text(categorical))
    return build_reference(known, times, scores, definition, dict.fromkeys(definition.categorical, LEVELS))


def make_bundle(state: Path) -> str:
    """Write the signed bundle; its digest."""
    contents = BundleContents(b"no graph is needed here", definition_text(), reference(), small_lineage(), {})
    return write_bundle(state / "bundles", contents, state / "keys", "operator")


class Messages:
    """Values for Kafka of `size` rows each; their contents repeat, their event times are what is asked for."""

    def __init__(self, digest: str, size: int, variety: int = 32) -> None:
        self.size = size
        definition = parse_definition(definition_text())
        self._meta = Meta(MODEL, digest, definition.digest, "champion", "benchmark", 0, size)
        self._blocks = [rows(size, 100 + number) for number in range(variety)]
        self._keys = [bytes([number % 256]) * 16 for number in range(size)]

    def value(self, number: int, times: NDArray[np.datetime64]) -> bytes:
        """One message, with its rows' event times datetime64[us] [size]."""
        block, scores = self._blocks[number % len(self._blocks)]
        batch = PredictionBatch(
            meta=self._meta,
            request_id=self._keys,
            row=np.zeros(self.size, np.int32),
            entity=[None] * self.size,
            event_time=times,
            repeat=np.zeros(self.size, np.bool_),
            rows=block,
            scores=scores,
            latency_us=np.full(self.size, 300, np.int32),
        )
        return encode_batch(batch)
