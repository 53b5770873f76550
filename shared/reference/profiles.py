"""What the reference knows of each feature and score."""

from bisect import bisect_right
from functools import cached_property
from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from shared.events.base import Finite, Record
from shared.reference.bins import MOST_LEVELS, pooled_counts
from shared.reference.dispersion import Dispersion
from shared.reference.flats import Flats
from shared.reference.jumps import Jumps
from shared.reference.measure import Clip

_UNKNOWN = Dispersion(windows=0, lags=0, components=())


class Profile(Record):
    """What is known of any column. Fields with defaults came later: a reference from before can be read, and keeps its
    digest, as they are not written when they say no more than their default.
    """

    name: str
    rows: int = Field(ge=0)
    missing: int = Field(ge=0)
    day_missing: Finite | None = None
    importance: Finite | None = None
    dispersion: Dispersion = _UNKNOWN
    missing_dispersion: Dispersion | None = None

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        return {name: value for name, value in told.items() if getattr(self, name) != fields[name].default}


class NumericProfile(Profile):
    """A numeric feature or score over the R rows of the reference.

    `edges` bound up to 60 quantile bins, `coarse_edges` up to 20; a value's bin is the number of edges at or below it.
    `counts` and `sums` per fine bin, the sums of whole numbers on the grid of `measure.Measure`; `squares` their
    squares' total. `low`, `high` are the 0.2 % and 99.8 % quantiles, `width` is w of `measure.Clip`. `day_low`,
    `day_high`: least and greatest mean of a local day, `day_missing` its greatest share of missing rows. Where all
    rows are missing, all these are 0 and `rows` is 0. `importance`: see `habits.importance`. `seasons`: coarse counts
    by bucket of the season, none if the reference has no season.
    """

    zeros: int = Field(ge=0)
    minimum: Finite
    maximum: Finite
    low: Finite
    high: Finite
    width: Finite = Field(gt=0)
    edges: tuple[Finite, ...]
    coarse_edges: tuple[Finite, ...]
    counts: tuple[int, ...]
    sums: tuple[int, ...]
    squares: int
    day_low: Finite
    day_high: Finite
    jumps: Jumps
    seasons: tuple[tuple[int, ...], ...] = ()
    bins_dispersion: Dispersion = _UNKNOWN
    zero_dispersion: Dispersion | None = None
    flats: Flats = Flats(pairs=0, flat=0, dispersion=None)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not len(self.counts) == len(self.sums) == len(self.edges) + 1:
            raise ValueError("counts and sums need one entry per bin, one more than edges")
        if list(self.edges) != sorted(set(self.edges)) or sum(self.counts) != self.rows:
            raise ValueError("edges must rise and counts must add up to rows")
        return self

    @property
    def clip(self) -> Clip:
        """The range its values are clipped to."""
        return Clip(self.low, self.high, self.width)

    @cached_property
    def coarse(self) -> tuple[int, ...]:
        """The coarse bin that each fine bin lies in."""
        return tuple(bisect_right(self.coarse_edges, edge) for edge in (float("-inf"), *self.edges))

    @cached_property
    def coarse_counts(self) -> tuple[int, ...]:
        """Rows per coarse bin."""
        total = [0] * (len(self.coarse_edges) + 1)
        for place, count in zip(self.coarse, self.counts, strict=True):
            total[place] += count
        return tuple(total)


class CategoricalProfile(Profile):
    """A categorical feature. `categories` are all that the model knows, a code is a position among them.

    `counts` per category; `kept` are the codes with a bin of their own, the most frequent first; the last bin is "rare
    or unseen". `unseen` rows had no known category. `day_low`, `day_high`: each bin's least and greatest share of the
    rows of a local day, missing ones included; `day_missing` the greatest share of missing rows.
    """

    unseen: int = Field(ge=0)
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    kept: tuple[int, ...]
    day_low: tuple[Finite, ...] = ()
    day_high: tuple[Finite, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(self.counts) != len(self.categories):
            raise ValueError("counts needs one entry per category")
        if any(not 0 <= code < len(self.categories) for code in self.kept):
            raise ValueError("kept holds codes of categories")
        if sum(self.counts) + self.unseen != self.rows:
            raise ValueError("counts and unseen must add up to rows")
        return self

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the bins."""
        return (*(self.categories[code] for code in self.kept), "rare or unseen")

    @property
    def level_counts(self) -> tuple[int, ...]:
        """Rows per bin."""
        own = [self.counts[code] for code in self.kept]
        return (*own, self.rows - sum(own))

    @property
    def pooled(self) -> tuple[int, ...]:
        """r_b of the detector: `level_counts`, with its allowance in the last bin."""
        return pooled_counts(self.counts, self.kept, self.unseen)

    @property
    def chosen_from(self) -> int:
        """How many levels had rows, if only the most frequent of those with rows enough have a bin; else 0."""
        seen = sum(count > 0 for count in self.counts) + (self.unseen > 0)
        return seen if len(self.kept) == MOST_LEVELS else 0
