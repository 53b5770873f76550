"""Whether a message fits the bundle that it names."""

from typing import NamedTuple

from shared.batch import PredictionBatch
from shared.definition import ModelDefinition
from shared.events.quality import MisfitReason
from shared.reference import Reference


class MisfitFound(NamedTuple):
    """Why it does not: in a word, and for people."""

    reason: MisfitReason
    text: str


def misfit(batch: PredictionBatch, definition: ModelDefinition, reference: Reference) -> MisfitFound | None:
    """What does not fit the bundle with this definition and reference; None if all does."""
    meta = batch.meta
    if meta.model != definition.name:
        return MisfitFound("model", f"bundle {meta.digest} is of model {definition.name}")
    if meta.definition_digest != definition.digest:
        return MisfitFound("definition", f"definition {meta.definition_digest} is not that of bundle {meta.digest}")
    widths = (batch.rows.numeric.shape[1], batch.rows.categorical.shape[1], batch.scores.shape[1])
    expected = (len(reference.numeric), len(reference.categorical), len(reference.scores))
    if widths != expected:
        return MisfitFound("width", f"numeric, categorical, scores have {widths} columns, expected {expected}")
    return None
