"""Which windows of a model have ended by a time, and which no row can change any more."""

from collections.abc import Mapping

from services.drift_detection.domain.panes import Panes
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.watched import Watched

Catalogue = Mapping[str, Watched]


def ends_by(key: WindowKey, time: int | None, catalogue: Catalogue) -> bool:
    """Whether a window ends by this time. Without its bundle that is not known, and it does not."""
    watched = catalogue.get(key.digest)
    return watched is not None and time is not None and key.start + watched.pane <= time


def reaches(models: Mapping[str, str], catalogue: Catalogue) -> dict[str, int]:
    """How long after its start a window of each model can be over at the earliest. `models` are by bundle digest."""
    found: dict[str, int] = {}
    for digest, model in models.items():
        if (bundle := catalogue.get(digest)) is not None:
            reach = bundle.pane + bundle.lateness
            found[model] = min(reach, found.get(model, reach))
    return found


def take_over(panes: Panes, slowest: int, reach: int, most: int, catalogue: Catalogue) -> list[WindowKey]:
    """Take out the first windows, at most so many, that are over: they end more than the lateness before the slowest
    clock, and all that was told of them was looked at.
    """
    candidates = panes.started_by(slowest - reach)
    over = [key for key in candidates if key not in panes.fresh and _is_over(key, slowest, catalogue)][:most]
    panes.put_back(set(candidates).difference(over))
    return over


def _is_over(key: WindowKey, slowest: int, catalogue: Catalogue) -> bool:
    watched = catalogue.get(key.digest)
    return watched is not None and ends_by(key, slowest - watched.lateness, catalogue)
