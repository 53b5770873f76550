"""The service without one of its parts: `python -m benchmarks.inference.without publishing|tokens|batching`.

All else is put together as ever, so that the difference is what the part costs, or what it gains.
"""

import math
import sys
import time
from functools import partial
from typing import Any

from fastapi import FastAPI

import services.inference.__main__ as service
from services.inference.api.app import Parts, build_app
from services.inference.api.batcher import Job
from services.inference.api.core import Core, Run
from services.inference.api.express import Lane
from services.inference.domain.answer import Answer
from services.inference.domain.answered import Answered, Source
from services.inference.models.catalogue import Served
from services.inference.settings import InferenceSettings
from services.inference.store.predictions import PredictionLog
from shared.kafka.backlog import Settled
from shared.tokens import Identity, TokenVerifier


class Unpublished(PredictionLog):
    """Forgets what it is given."""

    def add(self, source: Source, answered: Answered, settled: Settled | None = None) -> None:  # noqa: ARG002
        """Safe at once."""
        if settled is not None:
            settled(True)


class Anyone(TokenVerifier):
    """Takes requests that bring no token."""

    def verify(self, token: str) -> Identity:  # noqa: ARG002
        """A client."""
        return Identity("anyone", "client", math.inf)


def tokenless(settings: InferenceSettings, parts: Parts) -> FastAPI:
    """The application that asks nobody who they are."""
    app = build_app(settings, parts)
    app.state.tokens = Anyone(settings.trust)
    return app


class Unbatched(Lane):
    """Each request is a run of its own, as soon as it is read."""

    def __init__(self, core: Core, *others: Any, **options: Any) -> None:
        super().__init__(core, *others, **options)
        self.add = partial(_alone, core)


def _alone(core: Core, served: Served, job: Job) -> None:
    def told(answers: list[Answer] | None) -> None:
        if answers is None:
            job.refuse()
        else:
            job.finish(answers[0])

    asked = core.read(served.model, job.body, job.json_length, time.time_ns() // 1_000)
    core.infer_all(served, Run([asked], [job.received], None), told)


PARTS = {
    "publishing": ("PredictionLog", Unpublished),
    "tokens": ("build_app", tokenless),
    "batching": ("Lane", Unbatched),
}

if __name__ == "__main__":
    setattr(service, *PARTS[sys.argv[1]])
    sys.exit(service.main())
