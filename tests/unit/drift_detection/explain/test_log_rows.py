"""The log's rows as an explanation and a replay read them."""

from dataclasses import replace

import pyarrow as pa
import pytest

from services.drift_detection.store.rows import rows_of
from shared.errors import Unreadable
from shared.feature_log.schema import FLAGS
from shared.features import MISSING, UNSEEN
from tests.unit.drift_detection.pumps import watched


def test_a_category_that_is_null_is_unseen_or_missing_as_its_flags_say() -> None:
    there = watched()
    names, (name, *_) = there.definition.numeric, there.definition.categorical
    columns: dict[str, object] = {each: pa.array([1.0] * 4, pa.float32()) for each in names}
    columns |= {each: pa.nulls(4, pa.string()) for each in there.definition.categorical}
    said = [None, [f"{names[0]}:above_limit", f"{name}:unseen"], [f"{names[0]}:above_limit"], [f"{name}:unseen"]]
    rows = rows_of(pa.table(columns | {"flags": pa.array(said, FLAGS)}), there)
    assert rows.categorical[:, 0].tolist() == [MISSING, UNSEEN, MISSING, UNSEEN]


def test_features_whose_values_the_log_does_not_give_are_named() -> None:
    known = watched()
    features = known.definition.features
    hidden = (features[0].model_copy(update={"sensitive": "encrypt"}), *features[1:])
    there = replace(known, definition=known.definition.model_copy(update={"features": hidden}))
    with pytest.raises(Unreadable, match=rf"feature log: {features[0].name} \(encrypt\): sensitive"):
        rows_of(pa.table({}), there)
