import hashlib
import json
from typing import Any

import numpy as np
import pytest

from shared.errors import InvalidInput
from shared.features import Rows
from shared.reference import Reference, build_reference
from tests.unit.shared.reference.data import CATEGORIES, definition, make_rows, make_scores, make_times


def build(rows: Rows | None = None, **changes: Any) -> Reference:
    rows = make_rows(4000, 1) if rows is None else rows
    given = {"event_time": make_times(len(rows)), "scores": make_scores(len(rows), 2), **changes}
    return build_reference(rows, given["event_time"], given["scores"], definition(), CATEGORIES)


def test_the_same_inputs_give_the_same_json_and_it_comes_back_equal() -> None:
    first, second = build(), build()
    assert first.to_json() == second.to_json()
    again = Reference.from_json(first.to_json())
    assert again == first
    assert again.digest == first.digest
    assert "NaN" not in first.to_json().decode()


def test_a_reference_from_before_it_had_a_volume_or_clumps_is_read_and_keeps_its_digest() -> None:
    old = build().model_copy(update={"volume": None, "clumps": None}).to_json()
    assert not {"volume", "clumps"} & set(json.loads(old))
    reference = Reference.from_json(old)
    assert (reference.volume, reference.clumps) == (None, None)
    assert reference.digest == hashlib.sha256(old).hexdigest()


def test_what_is_read_back_measures_as_what_was_built() -> None:
    built = build()
    again = Reference.from_json(built.to_json())
    sketches = [built.empty_sketch(), again.empty_sketch()]
    for sketch, reference in zip(sketches, (built, again), strict=True):
        sketch.add(make_rows(500, 9), make_scores(500, 9), reference.measure)
    assert sketches[0].to_bytes() == sketches[1].to_bytes()


def test_a_profile_holds_counts_and_range_of_its_column() -> None:
    rows = make_rows(4000, 1)
    profile = build(rows).numeric[0]
    column = rows.numeric[:, 0]
    known = column[~np.isnan(column)]
    assert (profile.rows, profile.missing) == (len(known), 4000 - len(known))
    assert (profile.minimum, profile.maximum) == (known.min(), known.max())
    assert len(profile.edges) == 59
    assert len(profile.coarse_edges) == 19
    assert max(profile.counts) - min(profile.counts) <= 2
    days = [known.mean() - 1, known.mean() + 1]
    assert days[0] < profile.day_low < known.mean() < profile.day_high < days[1]


def test_categories_are_all_kept_in_order_and_rare_ones_share_a_bin() -> None:
    reference = build()
    profile = reference.categorical[0]
    assert reference.categories == CATEGORIES
    assert profile.levels[0] == "c0"
    assert profile.levels[-1] == "rare or unseen"
    assert 0 < len(profile.kept) < 60
    assert sum(profile.level_counts) == profile.rows


def test_rows_without_a_score_do_not_count_in_the_scores_profile() -> None:
    scores = make_scores(4000, 2)
    scores[:1000] = np.nan
    profile = build(scores=scores).scores[0]
    assert (profile.name, profile.rows, profile.missing) == ("score", 3000, 0)


def test_a_feature_that_is_always_missing_has_an_empty_profile() -> None:
    rows = make_rows(4000, 1)
    rows.numeric[:, 1] = np.nan
    reference = build(rows)
    profile = reference.numeric[1]
    assert (profile.rows, profile.missing, profile.counts) == (0, 4000, (0,))
    assert not profile.jumps.assessed
    assert Reference.from_json(reference.to_json()) == reference


def test_a_constant_feature_can_be_measured() -> None:
    reference = build()
    sketch = reference.empty_sketch()
    sketch.add(make_rows(50, 5), make_scores(50, 5), reference.measure)
    assert sketch.result(reference.measure).mean[3] == pytest.approx(7, abs=1e-4)


def test_a_single_row_is_a_reference() -> None:
    assert build(make_rows(1, 6)).size == 1


def _infinite() -> dict[str, Any]:
    rows = make_rows(10, 1)
    rows.numeric[3, 2] = np.inf
    return {"rows": rows}


def _unknown_code() -> dict[str, Any]:
    rows = make_rows(10, 1)
    rows.categorical[3, 0] = 60
    return {"rows": rows}


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("rows", {"rows": make_rows(0, 1)}),
        ("event_time", {"event_time": make_times(3)}),
        ("event_time", {"rows": make_rows(1, 1), "event_time": np.array(["NaT"], dtype="datetime64[us]")}),
        ("scores", {"scores": make_scores(3, 1)}),
        ("steps", _infinite()),
        ("carrier", _unknown_code()),
    ],
)
def test_bad_input_is_refused_by_name(field: str, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        build(**given)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("reference.size", {"size": 0}),
        ("reference.more", {"more": 1}),
        ("reference.numeric.0", {"numeric": [{"edges": [3, 2, 1]}]}),
        ("reference.numeric.0.minimum", {"numeric": [{"minimum": None}]}),
    ],
)
def test_json_that_breaks_the_contract_is_refused_by_path(path: str, change: dict[str, Any]) -> None:
    content = json.loads(build().to_json())
    if "numeric" in change:
        content["numeric"][0].update(change["numeric"][0])
    else:
        content.update(change)
    with pytest.raises(InvalidInput) as refusal:
        Reference.from_json(json.dumps(content).encode())
    assert refusal.value.field.startswith(path)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidInput):
        Reference.from_json(b"{")
