"""As `plain`, for a model with a named input for each feature: `python -m benchmarks.inference.plain_named MODEL PORT`.

It has a form of its own for them: a list of values for each feature.
"""

import sys
from typing import Any

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.inference.data import CATEGORIES
from benchmarks.inference.plain import Response, answer, open_session, serve

CODES = {category: float(code) for code, category in enumerate(CATEGORIES)}


class Features(BaseModel):
    """One value for each row."""

    f0: list[float]
    f1: list[float]
    f2: list[float]
    f3: list[float]
    f4: list[float]
    f5: list[float]
    f6: list[float]
    f7: list[float]
    f8: list[float]
    f9: list[float]
    f10: list[float]
    f11: list[float]
    f12: list[float]
    f13: list[float]
    f14: list[float]
    f15: list[float]
    f16: list[float]
    f17: list[float]
    f18: list[str]
    f19: list[str]


class Request(BaseModel):
    """What is asked."""

    id: str | None = None
    inputs: Features


app = FastAPI()
session: Any = None


@app.post("/infer")
async def infer(request: Request) -> Response:
    """One request, one run; a category that nobody knows is missing."""
    columns = [
        [CODES.get(value, np.nan) for value in values] if name in ("f18", "f19") else values
        for name, values in request.inputs
    ]
    block = np.ascontiguousarray(np.array(columns, dtype=np.float32).T)
    return answer(request.id, session.run(None, {"features": block}))


if __name__ == "__main__":
    session = open_session(sys.argv[1])
    serve(app, int(sys.argv[2]))
