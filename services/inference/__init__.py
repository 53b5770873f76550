"""Answers predictions and takes labels over HTTP: reads `driftline.deployments` and the bundle store, writes
`driftline.predictions` and `driftline.labels`, owns the loaded models and the queue of what waits to be published. If
it is told to, it answers `driftline.requests` on `driftline.scores`, too.

`from services.inference import Scorer, LoggedScorer` is the way in for a data pipeline, without a server.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from services.inference.batch.logged import LoggedScorer as LoggedScorer
    from services.inference.batch.scorer import Scorer as Scorer

_MODULES = {"Scorer": "scorer", "LoggedScorer": "logged"}


def __getattr__(name: str) -> Any:
    """They are imported when they are asked for: the service does not need them."""
    if name not in _MODULES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"services.inference.batch.{_MODULES[name]}"), name)
