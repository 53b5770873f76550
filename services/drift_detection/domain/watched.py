"""A model bundle as drift detection sees it: what its rows are measured against, and by which rules."""

from dataclasses import dataclass
from functools import cached_property

from services.drift_detection.domain.describe import Describer
from services.drift_detection.domain.detector.bank import Bank
from services.drift_detection.domain.detector.findings import Findings
from services.drift_detection.domain.quality.inspector import Inspector
from services.drift_detection.domain.rollout.rows import Ranges
from services.drift_detection.domain.terms import Mode, Terms
from shared.definition import ModelDefinition
from shared.errors import InvalidInput
from shared.reference import Reference
from shared.reference.panes import MICROSECONDS
from shared.reference.segments import ALL, levels


@dataclass(frozen=True)
class Watched:
    """A bundle by its digest, or a segment of one (`whole`). Times are microseconds.

    Raises:
        InvalidInput: definition and reference do not fit together.
    """

    digest: str
    definition: ModelDefinition
    reference: Reference
    whole: "Watched | None" = None

    def __post_init__(self) -> None:
        if self.reference.pane_seconds != self.definition.monitoring.pane_seconds:
            raise InvalidInput("monitoring.pane_seconds", "the reference was built for panes of another size")
        names = tuple(profile.name for profile in self.reference.numeric)
        if names != self.definition.numeric or tuple(self.reference.categories) != self.definition.categorical:
            raise InvalidInput("reference", "its features are not those of the definition")

    @property
    def bundle(self) -> "Watched":
        """All of it, if this is a segment."""
        return self.whole or self

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
    def levels(self) -> dict[int, dict[int, str]]:
        """Names of the segments, by the column of their categorical feature and the code in it."""
        found: dict[int, dict[int, str]] = {}
        for level in levels(self.definition.monitoring.segments, self.reference.categorical):
            if level.name in self.reference.segments:
                found.setdefault(level.column, {})[level.code] = level.name
        return found

    @cached_property
    def _segments(self) -> dict[str, "Watched"]:
        return {
            name: Watched(self.digest, self.definition, reference, self)
            for name, reference in self.reference.segments.items()
        }

    def of(self, segment: str) -> "Watched":
        """What a segment's rows are measured against; raises KeyError if there is no such segment."""
        return self if segment == ALL else self._segments[segment]

    @cached_property
    def describe(self) -> Describer:
        """Shows windows."""
        return Describer(self.reference)

    @cached_property
    def bank(self) -> Bank:
        """The detector of its champion's rows. The bet on risk, where there is one, shares its budget."""
        monitoring, references = self.definition.monitoring, {ALL: self.reference, **self.reference.segments}
        others = int(self.reference.calibration is not None)
        return Bank(references, monitoring.panes_per_period, monitoring.nominal_rows, others).calibrated()

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

    @cached_property
    def ranges(self) -> Ranges:
        """Where its scores and latencies lie, to be compared with another version's."""
        return Ranges.of_bundle(self.definition, self.reference)

    @cached_property
    def inspector(self) -> Inspector:
        """Inspects the data of windows."""
        return Inspector(self.definition, self.reference)
