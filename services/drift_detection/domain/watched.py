"""A model bundle as drift detection sees it: what its rows are measured against, and by which rules."""

from dataclasses import dataclass
from functools import cached_property

from services.drift_detection.domain.describe import Describer
from services.drift_detection.domain.jump_rule import JumpRule
from services.drift_detection.domain.quality.inspector import Inspector
from shared.definition import ModelDefinition
from shared.errors import InvalidInput
from shared.reference import Reference
from shared.reference.panes import MICROSECONDS


@dataclass(frozen=True)
class Watched:
    """A bundle by its digest. Times are microseconds.

    Raises:
        InvalidInput: definition and reference do not fit together.
    """

    digest: str
    definition: ModelDefinition
    reference: Reference

    def __post_init__(self) -> None:
        if self.reference.pane_seconds != self.definition.monitoring.pane_seconds:
            raise InvalidInput("monitoring.pane_seconds", "the reference was built for panes of another size")
        names = tuple(profile.name for profile in self.reference.numeric)
        if names != self.definition.numeric or tuple(self.reference.categories) != self.definition.categorical:
            raise InvalidInput("reference", "its features are not those of the definition")

    @property
    def model(self) -> str:
        """The model's name."""
        return self.definition.name

    @property
    def pane(self) -> int:
        """The size of a pane."""
        return self.definition.monitoring.pane_seconds * MICROSECONDS

    @property
    def lateness(self) -> int:
        """How far a row may lie behind the highest event time before it in its partition."""
        return self.definition.monitoring.lateness_seconds * MICROSECONDS

    @cached_property
    def describe(self) -> Describer:
        """Shows windows."""
        return Describer(self.reference)

    @cached_property
    def rule(self) -> JumpRule:
        """Judges the numeric features of successive panes."""
        return JumpRule(self.reference, self.definition.monitoring.panes_per_period)

    @cached_property
    def inspector(self) -> Inspector:
        """Inspects the data of windows."""
        return Inspector(self.definition, self.reference)
