from dataclasses import replace

import numpy as np
import pytest

from services.drift_detection.domain.quality.misfit import misfit
from shared.batch import PredictionBatch
from shared.features import Rows
from tests.unit.drift_detection.pumps import DIGEST, batch, definition, hours, reference


def sound() -> PredictionBatch:
    return batch(DIGEST, *hours(0, 1))


def narrow() -> PredictionBatch:
    there = sound()
    return replace(there, rows=Rows(there.rows.numeric[:, :1], there.rows.categorical))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (replace(sound(), meta=replace(sound().meta, model="other")), "model"),
        (replace(sound(), meta=replace(sound().meta, definition_digest="e" * 64)), "definition"),
        (narrow(), "width"),
        (replace(sound(), scores=np.zeros((30, 2), np.float32)), "width"),
    ],
)
def test_a_message_that_does_not_fit_its_bundle_is_told_by_reason(message: PredictionBatch, reason: str) -> None:
    found = misfit(message, definition(), reference())
    assert found is not None
    assert found.reason == reason
    assert found.text


def test_a_message_that_fits_has_no_misfit() -> None:
    assert misfit(sound(), definition(), reference()) is None
