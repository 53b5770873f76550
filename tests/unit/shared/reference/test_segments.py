import json

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.features import Rows
from shared.reference import Reference, build_reference
from tests.unit.drift_detection.pumps import SITES, definition, hours, watched, watched_with

WHOLE = watched_with(("site",)).reference


def test_each_frequent_level_has_a_reference_of_its_own_rows_on_the_measure_of_the_whole() -> None:
    assert set(WHOLE.segments) == {"site=north", "site=south"}
    times, rows, scores = hours(-480, 480)
    for code, site in enumerate(SITES):
        segment, inside = WHOLE.segments[f"site={site}"], rows.categorical[:, 0] == code
        sketch = WHOLE.empty_sketch()
        sketch.add(rows[inside], scores[inside], WHOLE.measure)
        assert segment.size == sketch.rows == inside.sum()
        assert [profile.rows for profile in segment.columns] == sketch.counts[:, 1:].sum(axis=1).tolist()
        assert [sum(profile.sums) for profile in segment.columns] == sketch.sums[:, 1:].sum(axis=1).tolist()
        assert [profile.squares for profile in segment.columns] == sketch.total_squares()
        assert segment.scale == WHOLE.scale
    assert len(times)


def test_sketches_of_segments_add_up_to_the_whole() -> None:
    for position, profile in enumerate(WHOLE.columns):
        parts = [segment.columns[position] for segment in WHOLE.segments.values()]
        assert np.sum([part.counts for part in parts], axis=0).tolist() == list(profile.counts)
        assert np.sum([part.sums for part in parts], axis=0).tolist() == list(profile.sums)


def test_the_whole_is_the_same_with_and_without_segments() -> None:
    plain = watched().reference
    assert WHOLE.model_copy(update={"segments": {}}).to_json() == plain.to_json()
    assert not {"segments", "left_out"} & set(json.loads(plain.to_json()))


def test_a_segment_with_too_few_rows_is_left_out_and_the_reference_says_so() -> None:
    told = definition()
    told = told.model_copy(update={"monitoring": told.monitoring.model_copy(update={"segments": ("site",)})})
    times, rows, scores = hours(-480, 480)
    codes = np.zeros((len(rows), 1), np.int32)
    codes[:999], codes[999:1_010], codes[1_010:1_020] = 1, -2, -1  # missing and unseen are in no segment
    reference = build_reference(Rows(rows.numeric, codes), times, scores, told, {"site": SITES})
    assert {name: segment.size for name, segment in reference.segments.items()} == {"site=north": len(rows) - 1_020}
    assert reference.left_out == {"site=south": 999}


def test_it_comes_back_from_its_json_and_a_segment_on_another_measure_is_refused() -> None:
    assert Reference.from_json(WHOLE.to_json()) == WHOLE
    content = json.loads(WHOLE.to_json())
    content["segments"]["site=north"]["numeric"][0]["low"] -= 1
    with pytest.raises(InvalidInput, match="another measure"):
        Reference.from_json(json.dumps(content).encode())
