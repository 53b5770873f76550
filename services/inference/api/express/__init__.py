"""The express lane: predictions past the framework, from the socket to the batcher and back.

uvicorn's own protocol parses every byte. A plain POST to a model goes to the batcher and its answer to the transport,
with no ASGI scope, task or event in between. Whatever is unusual about a request, or wrong with it, takes the normal
way through the same application: the express lane writes nothing but answers that are right.
"""

from functools import partial
from typing import Any

from services.inference.api.express.lane import Lane
from services.inference.api.express.protocol import ExpressProtocol

__all__ = ["Lane", "express"]


def express(lane: Lane) -> Any:
    """What uvicorn takes as its `http` protocol."""
    return partial(ExpressProtocol, lane)
