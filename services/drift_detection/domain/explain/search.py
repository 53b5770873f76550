"""The search: which slices hold the change of an incident's foremost features."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.drift_detection.domain.explain.contrast import Contrast, contrast, holm
from services.drift_detection.domain.explain.foremost import MOST_FEATURES
from services.drift_detection.domain.explain.outcomes import Outcome, outcome
from services.drift_detection.domain.explain.sides import Sides
from services.drift_detection.domain.explain.slices import Slice, slices
from shared.events import DriftedFeature
from shared.reference import Reference
from shared.reference.panes import Int64

LEVEL = 0.05  # of all slices of all features together
_MOST_SLICES = 3  # named of one feature
_Blocks = tuple[Int64, Int64]


class Found(NamedTuple):
    """A slice that holds the change of an outcome, `p` adjusted for all that was looked at."""

    one: Slice
    contrast: Contrast
    p: float


class Answer(NamedTuple):
    """By feature what its change was measured by, and the slices that hold it, the foremost first; `looked_at` counts
    slices x features.
    """

    measures: dict[str, str]
    found: dict[str, list[Found]]
    looked_at: int


def search(features: Sequence[DriftedFeature], sides: Sides, reference: Reference) -> Answer:
    """Of features in order of weight the first three, by Holm at 5 % over all their slices."""
    blocks = sides.before.blocks(), sides.after.blocks()
    outcomes = _outcomes(features, sides, reference)
    candidates = slices(sides, reference)
    tried = {  # a feature's own values can't tell where it changed
        name: _tried(measured, blocks, [one for one in candidates if one.feature != name], 0)
        for name, measured in outcomes.items()
    }
    looked_at = sum(map(len, tried.values()))
    found = {name: _holders(outcomes[name], blocks, mine, looked_at) for name, mine in _adjusted(tried).items()}
    return Answer({name: measured.what for name, measured in outcomes.items()}, found, looked_at)


def _outcomes(features: Sequence[DriftedFeature], sides: Sides, reference: Reference) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for told in features:
        measured = outcome(told, sides, reference) if told.name not in found else None
        if measured is not None and len(found) < MOST_FEATURES:
            found[told.name] = measured
    return found


def _tried(measured: Outcome, blocks: _Blocks, candidates: Sequence[Slice], looked_at: int) -> list[Found]:
    """All that can be compared; `looked_at` multiplies the p-values (0: not yet)."""
    pairs = ((one, contrast(measured, blocks, one)) for one in candidates)
    return [Found(one, result, min(1.0, result.p * max(looked_at, 1))) for one, result in pairs if result is not None]


def _adjusted(tried: Mapping[str, list[Found]]) -> dict[str, list[Found]]:
    everything = [found for mine in tried.values() for found in mine]
    adjusted = iter(holm([found.p for found in everything]))
    return {name: [found._replace(p=next(adjusted)) for found in mine] for name, mine in tried.items()}


def _holders(measured: Outcome, blocks: _Blocks, tried: Sequence[Found], looked_at: int) -> list[Found]:
    """The slice that accounts for most, then what accounts for most of the rows left without it, and so on.

    So a slice that merely shares rows with one that was named (a carrier that flies from the faulty airport) is not.
    """
    named: list[Found] = []
    while len(named) < _MOST_SLICES and (best := _best(tried)) is not None:
        named.append(best)
        before, after = (~inside for inside in best.one.inside)
        measured = Outcome(measured.what, measured.before[before], measured.after[after])
        blocks = blocks[0][before], blocks[1][after]
        left = [found.one.without(best.one) for found in tried if found.one.name != best.one.name]
        tried = _tried(measured, blocks, [one for one in left if one.is_large_enough], looked_at)
    return named


def _best(tried: Sequence[Found]) -> Found | None:
    holding = [found for found in tried if found.p <= LEVEL and found.contrast.holds_the_change]
    return max(holding, key=lambda found: (found.contrast.explained, found.one.name), default=None)
