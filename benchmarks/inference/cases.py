"""What is measured, and for how long."""

from collections.abc import Iterator
from itertools import product
from typing import Literal, NamedTuple

from benchmarks.inference.data import Form

Model = Literal["gbm", "mlp", "named"]
# `fast` and `durable` are the modes of the service; `unpublished`, `tokenless` and `unbatched` are mode fast without
# one of its parts; `plain` is the plain application, which speaks JSON alone; `loop` is the event loop, no server.
# `shadowed` is mode fast for a model that has a shadow beside it.
Server = Literal["fast", "durable", "unpublished", "tokenless", "unbatched", "shadowed", "plain", "loop"]

SHADOWED: Server = "shadowed"

# Which part of the service is left out.
WITHOUT: dict[Server, str] = {"unpublished": "publishing", "tokenless": "tokens", "unbatched": "batching"}
MODELS: tuple[Model, ...] = ("gbm", "mlp", "named")
FORMS: tuple[Form, ...] = ("json", "binary")
ROWS = (1, 32, 1_000)
USUAL = 16  # connections
OVERLOAD = 1.5  # times what the service can do
OVERLOAD_ROWS = 32  # with one row the load could not be so much more than that: it has but one core


class Place(NamedTuple):
    """What is posted, whoever answers it."""

    model: Model
    connections: int
    rows: int


class Case(NamedTuple):
    """What is posted to whom."""

    place: Place
    form: Form
    server: Server


class Plan(NamedTuple):
    """`places` in their order, `rounds` of all, `seconds` of one run and of one overload."""

    places: tuple[Place, ...]
    rounds: int
    seconds: float
    overload_seconds: float

    def cases(self) -> Iterator[Case]:
        """Those of one round: what is compared comes one after the other."""
        for place in self.places:
            for server, form in product(_servers(place), FORMS):
                if server not in ("plain", "loop") or form == "json":
                    yield Case(place, form, server)


def _servers(place: Place) -> tuple[Server, ...]:
    beside: list[Server] = []
    if place.model == "gbm":
        if place.connections > 1 and place.rows <= 32:
            beside.append("durable")
        if place.connections == USUAL:
            beside.append("unpublished")
        if place.connections == USUAL and place.rows == 1:
            beside.append("tokenless")
        if place.connections <= USUAL and place.rows == 1:
            beside.extend(("unbatched", SHADOWED))
        if place.rows == 1:
            beside.append("loop")
    return ("plain", "fast", *beside)


_GBM = tuple(Place("gbm", connections, rows) for connections, rows in product((1, USUAL, 64), ROWS))
_MLP = tuple(Place("mlp", USUAL, rows) for rows in ROWS)
_NAMED = tuple(Place("named", USUAL, rows) for rows in (1, 32))

FULL = Plan((*_GBM, *_MLP, *_NAMED), rounds=5, seconds=1.0, overload_seconds=4.0)
QUICK = Plan((*_GBM[3:6], _MLP[0], _NAMED[0]), rounds=1, seconds=0.3, overload_seconds=2.0)
