"""Segments: the rows in which a categorical feature has one of its most frequent levels."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.reference.profiles import CategoricalProfile

ALL = "all"  # the name of the whole, beside which there are segments
MOST_SEGMENTS = 20  # of one feature
LEAST_ROWS = 1_000  # in the reference


class Level(NamedTuple):
    """One level of the categorical feature in this column; rows of the segment have this code there."""

    name: str
    column: int
    code: int


def levels(features: Sequence[str], profiles: Sequence[CategoricalProfile]) -> list[Level]:
    """The segments by these features: of each, the levels with a bin of their own, at most 20, the most frequent."""
    columns = {profile.name: (column, profile) for column, profile in enumerate(profiles)}
    found: list[Level] = []
    for feature in features:
        column, profile = columns[feature]
        kept = profile.kept[:MOST_SEGMENTS]
        found += [Level(f"{feature}={profile.categories[code]}", column, code) for code in kept]
    return found
