"""A model bundle as drift detection sees it: what its rows are measured against, and by which rules."""

from dataclasses import dataclass
from functools import cached_property

from services.drift_detection.domain.describe import Describer
from services.drift_detection.domain.detector.bank import Bank
from services.drift_detection.domain.detector.findings import Findings
from services.drift_detection.domain.terms import Mode, Terms
from shared.definition import ModelDefinition
from shared.errors import InvalidInput
from shared.reference import Reference
from shared.reference.panes import MICROSECONDS

SEGMENT = "all"


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
    def bank(self) -> Bank:
        """The detector of its champion's rows."""
        monitoring = self.definition.monitoring
        return Bank({SEGMENT: self.reference}, monitoring.panes_per_period, monitoring.nominal_rows)

    @cached_property
    def findings(self) -> Findings:
        """Tells what the detector's alarms are about."""
        return Findings(self.bank)

    @cached_property
    def terms(self) -> Terms:
        """By which budget its alarms are."""
        budget, rule = self.bank.budget, self.bank.detector.rule
        mode: Mode = "guaranteed" if rule.ln_h is None else "calibrated"
        return Terms(budget.steps, budget.streams, mode, self.reference.digest)
