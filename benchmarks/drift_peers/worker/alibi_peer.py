"""alibi-detect's TabularDrift with its defaults: its KSDrift's test for numbers, chi-square for categories, and
Bonferroni's correction of p < 0.05 over all features. Rows with a missing value are left out: it takes none.
"""

from collections.abc import Iterator

from alibi_detect import __version__
from alibi_detect.cd import TabularDrift
from block import Block


class Tabular:
    """Its tests, corrected for all features, also where it is given one of them."""

    version = __version__

    def __init__(self, reference: Block, _first: Block, features: int) -> None:
        numeric = reference.numeric.shape[1]
        categories = {numeric + place: None for place in range(reference.codes.shape[1])}
        p_value = 0.05 * len(reference.names) / features  # it divides by the number that it is given
        self._detector = TabularDrift(reference.rows(), p_val=p_value, categories_per_feature=categories)

    def watch(self, windows: list[Block]) -> Iterator[list[int]]:
        """The flagged columns of each window."""
        for window in windows:
            found = self._detector.predict(window.rows())["data"]
            yield [place for place, p in enumerate(found["p_val"]) if p < found["threshold"]]
