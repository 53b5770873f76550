"""The models by name: which graph each has, and how it is asked."""

from typing import Literal, NamedTuple

from benchmarks.inference.data import STRINGS

Graph = Literal["gbm", "mlp"]
GRAPHS: tuple[Graph, ...] = ("gbm", "mlp")
SLO_MS = 50


class Kind(NamedTuple):
    """A model: its graph, how many of its features are strings, and what its definition says of latency."""

    graph: Graph
    strings: int = 0
    slo_ms: int = 2_000  # at 1,000 rows and 64 connections a turn takes a second, and nothing is to be shed


KINDS = {
    "gbm": Kind("gbm"),
    "mlp": Kind("mlp"),
    "named": Kind("gbm", strings=STRINGS),
    "brisk": Kind("gbm", slo_ms=SLO_MS),  # for the overload
    "shadowed": Kind("gbm"),  # deployed with a shadow beside it
}
