"""The reference of a model: what its data looked like when it was trained."""

import hashlib
from functools import cached_property
from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator

from shared.errors import InvalidInput
from shared.events.base import Record
from shared.monitoring import Season
from shared.reference.calibration import Calibration
from shared.reference.clumps import Clumps
from shared.reference.measure import Measure
from shared.reference.profiles import CategoricalProfile, NumericProfile
from shared.reference.sketch import Sketch
from shared.reference.volume import Volume


class Reference(Record):
    """Profiles of all features and scores, over `size` rows, in the definition's order.

    `pane_seconds`, `time_zone` and `season` are the definition's: the jumps are those of such panes. `segments` hold
    the references of parts of the rows by name, such as `origin=JFK`, all on the measure of the whole, so that
    sketches of segments and of the whole merge; `left_out` says how many rows a segment has that has too few for one.
    `volume` is None for less than a week of rows.
    `calibration` is None where there were too few labels, or more than one score: then performance is not assessed.
    """

    size: int = Field(ge=1)
    pane_seconds: int = Field(ge=1)
    time_zone: str
    season: Season = "none"
    numeric: tuple[NumericProfile, ...]
    categorical: tuple[CategoricalProfile, ...]
    scores: tuple[NumericProfile, ...]
    segments: dict[str, "Reference"] = Field(default_factory=dict)
    left_out: dict[str, int] = Field(default_factory=dict)
    volume: Volume | None = None
    clumps: Clumps | None = None
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _segments_share_the_measure(self) -> Self:
        for name, segment in self.segments.items():
            if segment.scale != self.scale or segment.segments:
                raise ValueError(f"segment {name} is on another measure than the whole, or has segments itself")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_known(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = handler(self)  # a reference from before some part existed keeps its digest
        told = {name: part for name, part in told.items() if part not in (None, {})}
        return told if self.season != "none" else {name: part for name, part in told.items() if name != "season"}

    @property
    def scale(self) -> tuple[Any, ...]:
        """All that its measure depends on."""
        numbers = tuple((one.name, one.clip, one.edges, one.minimum, one.maximum) for one in self.columns)
        return numbers, tuple((one.name, one.categories, one.kept) for one in self.categorical)

    @cached_property
    def categories(self) -> dict[str, tuple[str, ...]]:
        """All categories of each categorical feature by its name; a category's code is its position."""
        return {profile.name: profile.categories for profile in self.categorical}

    @cached_property
    def columns(self) -> tuple[NumericProfile, ...]:
        """What a sketch measures as numbers: the numeric features, then the scores."""
        return self.numeric + self.scores

    @cached_property
    def measure(self) -> Measure:
        """How rows are measured against this reference."""
        return Measure(self.columns, [profile.kept for profile in self.categorical])

    @cached_property
    def score_measure(self) -> Measure:
        """How scores are measured where there are no features beside them: each as `measure` does."""
        return Measure(self.scores, [])

    @cached_property
    def digest(self) -> str:
        """sha256 of its JSON."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def empty_sketch(self) -> Sketch:
        """The sketch of no rows, for this reference's columns."""
        return Sketch.empty(len(self.columns), len(self.categorical))

    def to_json(self) -> bytes:
        """UTF-8 JSON; equal references give equal bytes. All numbers are finite."""
        return self.model_dump_json().encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> "Reference":
        """Read what `to_json` wrote.

        Raises:
            InvalidInput: not JSON, or a field is missing, unknown or wrong; `field` is its path.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            raise InvalidInput(".".join(map(str, ("reference", *first["loc"]))), first["msg"]) from error
