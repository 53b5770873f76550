"""An explanation from the log's rows says so where the log does not give a feature's values."""

from dataclasses import replace

import pyarrow as pa
import pytest

from services.drift_detection.store.rows import rows_of
from shared.errors import Unreadable
from tests.unit.drift_detection.pumps import watched


def test_features_whose_values_the_log_does_not_give_are_named() -> None:
    known = watched()
    features = known.definition.features
    hidden = (features[0].model_copy(update={"sensitive": "encrypt"}), *features[1:])
    there = replace(known, definition=known.definition.model_copy(update={"features": hidden}))
    with pytest.raises(Unreadable, match=rf"feature log: {features[0].name} \(encrypt\): sensitive"):
        rows_of(pa.table({}), there)
