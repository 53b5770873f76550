"""All checks of one bundle."""

from services.drift_detection.domain.quality import arrival, copies
from services.drift_detection.domain.quality.arrival import Before, find_late
from services.drift_detection.domain.quality.columns import ColumnChecks
from services.drift_detection.domain.quality.copies import find_copies
from services.drift_detection.domain.quality.counts import Counts
from services.drift_detection.domain.quality.facts import REASONS, Facts
from services.drift_detection.domain.quality.rates import share_finding
from services.drift_detection.domain.quality.shares import Shares
from services.drift_detection.domain.quality.volume import Expected, expect
from shared.definition import ModelDefinition
from shared.events.quality import Finding, Misfit
from shared.limits import Limits
from shared.reference import Reference
from shared.reference.panes import MICROSECONDS

LEVEL = 0.01  # probability that a clean window has any finding
VOLUME_CHECKS = 2


class Inspector:
    """Inspects windows; each of `checks` has its share of the level.

    A reference from before it had clumps or a volume allows fewer: `not_assessed` names the kinds it does not.
    """

    def __init__(self, definition: ModelDefinition, reference: Reference) -> None:
        self.limits = Limits(definition)
        self.shares = Shares(definition, reference)
        self._pane = definition.monitoring.pane_seconds * MICROSECONDS
        self._reference = reference
        self._columns = None if reference.clumps is None else ColumnChecks(reference, reference.clumps)
        columns = 0 if self._columns is None else self._columns.number + copies.NUMBER
        volume = 0 if reference.volume is None else VOLUME_CHECKS
        self.checks = columns + volume + arrival.NUMBER
        told = {"columns": self._columns, "volume": reference.volume}
        self.not_assessed = tuple(name for name, part in told.items() if part is None)

    @property
    def level(self) -> float:
        """Of each check."""
        return LEVEL / self.checks

    def expected(self, start: int, share: float) -> Expected | None:
        """Rows of the pane that begins at `start`, of a champion that answers that `share` of all; None: not known."""
        return expect(self._reference, start, share, self.level)

    def find(self, window: Counts, expected: Expected | None, before: Before | None) -> list[Finding]:
        """What is wrong, the worst first; `before` is the last window that had rows, if there was one."""
        found = find_misfits(window.sketch.rows, window.facts)
        if window.sketch.rows:
            found += [] if expected is None else expected.find(window.sketch.rows)
            found += find_late(window.facts, before, self._pane, self.level)
            found += self._find_in_columns(window, before)
        return sorted(found, key=lambda one: (one.severity != "major", one.kind, one.feature or ""))

    def _find_in_columns(self, window: Counts, before: Before | None) -> list[Finding]:
        if self._columns is None or self._reference.clumps is None:
            return []
        last = None if before is None else before.content
        again = find_copies(window, last, self._reference, self._reference.clumps, self.level)
        return again + self._columns.find(window, self.level)


def find_misfits(rows: int, facts: Facts) -> list[Finding]:
    """Any row that did not fit is a finding."""
    misfits = int(facts.misfits.sum())
    return [share_finding("misfit", None, misfits / (rows + misfits), 0.0, 0.0)] if misfits else []


def told_misfits(facts: Facts) -> tuple[Misfit, ...]:
    """By reason."""
    return tuple(
        Misfit(reason=reason, rows=rows) for reason, rows in zip(REASONS, facts.misfits.tolist(), strict=True) if rows
    )
