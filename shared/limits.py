"""The ranges that a definition allows its numeric features."""

import numpy as np

from shared.definition import ModelDefinition


class Limits:
    """Least and greatest allowed values, `low` and `high` float32 [N] each, of the numeric features; infinite where
    there is none. `columns` are those that have any, int64.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        features = [feature for feature in definition.features if feature.kind == "numeric"]
        low = [-np.inf if feature.min is None else feature.min for feature in features]
        high = [np.inf if feature.max is None else feature.max for feature in features]
        with np.errstate(over="ignore"):  # a limit that float32 can't hold is none
            self.low = np.array(low, dtype=np.float32)
            self.high = np.array(high, dtype=np.float32)
        self.columns = np.flatnonzero(np.isfinite(self.low) | np.isfinite(self.high))
