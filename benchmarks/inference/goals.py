"""What the figures come to: ratios by name, and which goals they meet."""

from typing import NamedTuple

from benchmarks.inference.cases import SHADOWED, USUAL, WITHOUT, Place
from benchmarks.inference.data import Form
from benchmarks.inference.figures import Figures
from benchmarks.inference.kinds import SLO_MS


class Goal(NamedTuple):
    """The figure `name` must be `least` at the least, or `most` at the most."""

    name: str
    words: str
    least: float | None = None
    most: float | None = None

    def is_met(self, value: float) -> bool:
        """Whether a value is within the bounds."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def bound(self) -> str:
        """Such as ≥ 8.5."""
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"


_PLAIN = "times the plain application's requests"
_ALONE = "of ONNX Runtime alone"
_COST = "of throughput is what publishing costs"
_P99 = "times the p99 of a service that does not batch"
_SHADOW = "times the p99 of a model without a shadow"
GOALS = (
    Goal("plain_1row", f"16 connections, 1 row, JSON: {_PLAIN}", 8.5),
    Goal("plain_1row_binary", f"16 connections, 1 row, binary: {_PLAIN}", 14),
    Goal("plain_32rows", f"16 connections, 32 rows, JSON: {_PLAIN}", 4),
    Goal("plain_32rows_binary", f"16 connections, 32 rows, binary: {_PLAIN}", 5.5),
    Goal("limit_1000rows", f"16 connections, 1,000 rows, JSON: {_ALONE}", 0.8),
    Goal("limit_1000rows_binary", f"16 connections, 1,000 rows, binary: {_ALONE}", 1),
    Goal("plain_1row_64", f"64 connections, 1 row, JSON: {_PLAIN}", 12),
    Goal("plain_1row_64_binary", f"64 connections, 1 row, binary: {_PLAIN}", 18),
    Goal("publishing_cost_1row", f"16 connections, 1 row, JSON: {_COST}", most=0.1),
    Goal("publishing_cost_1row_binary", f"16 connections, 1 row, binary: {_COST}", most=0.1),
    Goal("unbatched_p99_1row_1", f"1 connection, 1 row, JSON: {_P99}", most=1.3),
    Goal("unbatched_p99_1row_1_binary", f"1 connection, 1 row, binary: {_P99}", most=1.3),
    Goal("shadow_p99_1row", f"16 connections, 1 row, JSON: {_SHADOW}", most=1.05),
    Goal("shadow_p99_1row_1", f"1 connection, 1 row, JSON: {_SHADOW}", most=1.05),
    Goal("overload_p99_ms", "overload: p99 of the admitted in ms, the objective being the bound", most=SLO_MS),
    Goal("overload_strange", "overload: answers but 200, and 429 and 503 with Retry-After", most=0),
    Goal("overload_growth_mb", "overload: MB by which the memory of the server grows", most=16),
)


def judged(found: dict[str, float]) -> list[tuple[Goal, float]]:
    """The goals whose figure was measured, with it."""
    return [(goal, found[goal.name]) for goal in GOALS if goal.name in found]


def ratios(figures: Figures) -> dict[str, float]:
    """By name; those of the GBM and of 16 connections have neither in it."""
    found: dict[str, float] = {}
    for case in list(figures.runs):
        tail = _tail(case.place, case.form)
        at = "" if case.place.model == "gbm" else f"{case.place.model}_"
        if case.server == "fast":
            found[f"{at}plain_{tail}"] = figures.to_plain(case)
            found[f"{at}limit_{tail}"] = figures.to_alone(case)
        elif case.server == "durable":
            found[f"durable_{tail}"] = figures.to(case, case._replace(server="fast"))
        elif case.server == SHADOWED:
            found[f"shadow_p99_{tail}"] = figures.p99_to(case, case._replace(server="fast"))
        elif case.server in WITHOUT:
            fast = case._replace(server="fast")
            found[f"{WITHOUT[case.server]}_cost_{tail}"] = 1 - figures.to(fast, case)
            found[f"{case.server}_p99_{tail}"] = figures.p99_to(fast, case)
    return {name: round(value, 3) for name, value in (found | _overload(figures)).items()}


def _tail(place: Place, form: Form) -> str:
    rows = "1row" if place.rows == 1 else f"{place.rows}rows"
    connections = "" if place.connections == USUAL else f"_{place.connections}"
    return f"{rows}{connections}{'' if form == 'json' else '_binary'}"


def _overload(figures: Figures) -> dict[str, float]:
    if not figures.overloads:
        return {}
    return {
        "overload_p99_ms": figures.overload(lambda one: one.p99),
        "overload_strange": sum(one.strange for one in figures.overloads),
        "overload_growth_mb": figures.overload(lambda one: one.after - one.before),
    }
