"""The comparisons of one model: a canary and a shadow beside the champion that deployments name.

A pane counts once both versions' windows of it are closed, and if the version has rows in it. Versions whose panes have
another size than the champion's are not compared; nor is a metric that they count on other ranges, unless the
champion's values come beside a shadow's. Losses come when the labels of a pane are settled, long after its rows.
"""

from collections.abc import Collection

from services.drift_detection.domain.performance.version_losses import Settled, VersionLosses
from services.drift_detection.domain.reports.trial import Trial
from services.drift_detection.domain.rollout.record import RolloutRecord, Running
from services.drift_detection.domain.rollout.sums import Sums
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.watched import Watched
from shared.events import DeploymentChanged
from shared.events.rollout import RolloutCompared

_MOST_ENDED = 32


class RolloutWatch:
    """Changes `record` in place; `changed` says that it did."""

    def __init__(self, record: RolloutRecord) -> None:
        self.changed = False
        self._record = record
        self._sides: dict[tuple[str, str], dict[int, Sums]] = {}
        self._bundles: dict[str, Watched] = {}
        self._trials = [Trial(running) for running in record.running]

    def deployed(self, event: DeploymentChanged) -> list[RolloutCompared]:
        """Begin and end comparisons; the last words on those that end."""
        wanted: list[Running] = []
        if event.canary is not None:
            wanted.append(Running(role="canary", digest=event.canary.digest, champion=event.champion))
        if event.shadow is not None:
            wanted.append(Running(role="shadow", digest=event.shadow, champion=event.champion))
        names = {one.name for one in wanted}
        said = [event for trial in self._trials if trial.name not in names for event in self._end(trial)]
        kept = [trial for trial in self._trials if trial.name in names]
        for one in wanted:
            if one.name not in {trial.name for trial in kept}:
                kept.append(self._begin(one))
        self._trials = kept
        self._record.running = [trial.running for trial in kept]
        self.changed = True
        return said

    def _begin(self, running: Running) -> Trial:
        running.since = self._record.ended.pop(running.name, running.since)
        trial = Trial(running)
        for start in self._sides.get((running.digest, running.role), {}):
            self._put(trial, start)
        return trial

    def _end(self, trial: Trial) -> list[RolloutCompared]:
        ended = self._record.ended
        ended[trial.name] = trial.running.looked
        for name in sorted(ended, key=lambda name: ended[name])[:-_MOST_ENDED]:
            del ended[name]
        return trial.end()

    def note(self, key: WindowKey, watched: Watched, sums: Sums) -> None:
        """A window of all rows of a version has closed or changed."""
        self._bundles[key.digest] = watched
        self._sides.setdefault((key.digest, key.role), {})[key.start] = sums
        for trial in self._trials:
            if (key.digest, key.role) in (trial.version, trial.champion):
                self._put(trial, key.start)

    def _put(self, trial: Trial, start: int) -> None:
        bundle, beside = (self._bundles.get(side[0]) for side in (trial.version, trial.champion))
        version = self._sides.get(trial.version, {}).get(start)
        champion = self._sides.get(trial.champion, {}).get(start, Sums.empty())
        if bundle is None or version is None or version.is_empty or (beside is not None and beside.pane != bundle.pane):
            return
        trial.put(start, (version, champion), bundle, [] if beside is None else bundle.ranges.apart(beside.ranges))

    def step(self, before: int | None) -> list[RolloutCompared]:
        """What there is to say at the ends of panes that have closed; those that start `before` a time, if given."""
        said = [event for trial in self._trials for event in trial.step(before)]
        self.changed = self.changed or any(trial.changed for trial in self._trials)
        return said

    def settled(self, windows: Collection[Settled]) -> list[RolloutCompared]:
        """Take in the losses of panes, in order of time; what there is to say of them."""
        said: list[RolloutCompared] = []
        for trial in self._trials:
            for key, losses, champions in windows:
                champion = champions.get(trial.champion[0])
                if (key.digest, key.role) == trial.version and (champion is not None or key.role == "shadow"):
                    trial.settle(key.start, losses.as_sums(), (champion or VersionLosses()).as_sums())
            said += trial.speak()
        self.changed = self.changed or any(trial.changed for trial in self._trials)
        return said

    def finish(self, slowest: int) -> list[RolloutCompared]:
        """Fold what no row can change any more, by the slowest clock of the source's partitions.

        To be called when all windows that closed were noted and looked at.
        """
        lateness = {digest: bundle.lateness for digest, bundle in self._bundles.items()}
        said: list[RolloutCompared] = []
        for trial in self._trials:
            known = [lateness[side[0]] for side in (trial.version, trial.champion) if side[0] in lateness]
            said += trial.fold(slowest - min(known)) if known else []
        self.changed = self.changed or any(trial.changed for trial in self._trials)
        for (digest, _), side in self._sides.items():
            bundle = self._bundles[digest]
            for start in [start for start in side if start + bundle.pane <= slowest - max(lateness.values())]:
                del side[start]
        return said

    def stored(self) -> None:
        """The record is stored now."""
        self.changed = False
        for trial in self._trials:
            trial.changed = False

    def forget(self, live: Collection[str | None]) -> None:
        """Keep only bundles that serve or have windows under way."""
        for digest in set(self._bundles).difference(live):
            del self._bundles[digest]
            for side in [side for side in self._sides if side[0] == digest]:
                del self._sides[side]
