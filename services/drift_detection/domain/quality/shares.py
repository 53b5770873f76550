"""What a window's columns hold, as the report shows it."""

from services.drift_detection.domain.quality.counts import Counts
from shared.definition import ModelDefinition
from shared.events.quality import ColumnQuality
from shared.reference import Reference


class Shares:
    """Shows the columns of one bundle."""

    def __init__(self, definition: ModelDefinition, reference: Reference) -> None:
        self._reference = reference
        self._features = len(reference.numeric)
        limits = {feature.name: (feature.min, feature.max) for feature in definition.features}
        self._limits = [limits[name] for name in definition.numeric]

    def __call__(self, window: Counts) -> tuple[ColumnQuality, ...]:
        """All columns, numeric features first, then categorical ones, then scores."""
        numeric = [self._numeric(window, column) for column in range(len(self._reference.columns))]
        categorical = [self._categorical(window, column) for column in range(len(self._reference.categorical))]
        return (*numeric[: self._features], *categorical, *numeric[self._features :])

    def _numeric(self, window: Counts, column: int) -> ColumnQuality:
        profile, sketch = self._reference.columns[column], window.sketch
        present = int(window.present[column])
        missing = int(sketch.counts[column, 0]) / max(sketch.rows, 1)
        expected = profile.missing / max(profile.rows + profile.missing, 1)
        if not present or column >= self._features:
            return ColumnQuality(name=profile.name, missing=missing, expected_missing=expected)
        outside = window.facts.outside[:, column].tolist()
        below, above = (
            None if limit is None else count / present
            for limit, count in zip(self._limits[column], outside, strict=True)
        )
        return ColumnQuality(
            name=profile.name,
            missing=missing,
            expected_missing=expected,
            zeros=int(sketch.zeros[column]) / present,
            below_range=int(sketch.outside[0, column]) / present,
            above_range=int(sketch.outside[1, column]) / present,
            below_limit=below,
            above_limit=above,
        )

    def _categorical(self, window: Counts, column: int) -> ColumnQuality:
        profile, sketch = self._reference.categorical[column], window.sketch
        present = int(window.level_present[column])
        return ColumnQuality(
            name=profile.name,
            missing=int(sketch.levels[column, 0]) / max(sketch.rows, 1),
            expected_missing=profile.missing / max(profile.rows + profile.missing, 1),
            unseen=int(sketch.unseen[column]) / present if present else None,
        )
