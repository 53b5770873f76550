"""Pairs become messages, each of which a broker takes and a reader understands."""

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from services.feature_logging.stream.publication import PART_BYTES, outcome_messages
from shared.feature_log.schema import OUTCOMES
from tests.unit.feature_logging.pairing import batches
from tests.unit.feature_logging.samples import DIGEST, MODEL, START, TOPIC, key


def pairs(*scores: list[float], **other: Any) -> pa.Table:
    """What one message brought: a pair for each row's scores, the first of its producer."""
    known = {
        "event_time": START,
        "event_day": START.date(),
        "role": "champion",
        "bundle_digest": DIGEST,
        "definition_digest": DIGEST,
        "business": False,
        "label": 1.0,
        "label_time": START + timedelta(hours=1),
        "trigger_topic": TOPIC,
        "trigger_partition": 0,
        "trigger_offset": 7,
        "source_partition": 0,
        "source_offset": 7,
        **other,
    }
    rows = [
        known | {"request_id": key(row), "row": row, "scores": each, "number": row + 1}
        for row, each in enumerate(scores)
    ]
    return pa.Table.from_pylist(rows, OUTCOMES)


def test_what_is_too_wide_for_one_message_comes_in_parts() -> None:
    scores = np.arange(4 * (PART_BYTES // 16), dtype=np.float32).reshape(4, -1)
    sent = outcome_messages(MODEL, pairs(*scores.tolist()))
    parts = batches(sent)
    assert [(part.meta.sequence, part.meta.rows_so_far, len(part)) for part in parts] == [
        (7_000, 1, 1),
        (7_001, 2, 1),
        (7_002, 3, 1),
        (7_003, 4, 1),
    ]
    assert all(len(out.value) < 2**20 for out in sent)
    assert np.concatenate([part.scores for part in parts]).tolist() == scores.tolist()


def test_rows_with_other_numbers_of_scores_come_in_messages_of_their_own() -> None:
    given = [[0.125], [0.25], [0.5, 0.5, 0.5], [0.75]]
    parts = batches(outcome_messages(MODEL, pairs(*given)))
    assert [part.scores.tolist() for part in parts] == [given[:2], given[2:3], given[3:]]
    assert [(part.meta.sequence, part.meta.rows_so_far) for part in parts] == [(7_000, 2), (7_001, 3), (7_002, 4)]
