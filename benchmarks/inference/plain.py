"""What a good engineer writes first: `python -m benchmarks.inference.plain MODEL PORT`."""

import sys
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

OPTIONS = ort.SessionOptions()
OPTIONS.intra_op_num_threads = OPTIONS.inter_op_num_threads = 1
OPTIONS.add_session_config_entry("session.intra_op.allow_spinning", "0")


class Tensor(BaseModel):
    """One input or output."""

    name: str
    datatype: str
    shape: list[int]
    data: list[float]


class Request(BaseModel):
    """A request of the Open Inference Protocol."""

    id: str | None = None
    inputs: list[Tensor]


class Response(BaseModel):
    """Its answer."""

    model_name: Literal["plain"] = "plain"
    id: str | None
    outputs: list[Tensor]


app = FastAPI()
session: Any = None


@app.post("/infer")
async def infer(request: Request) -> Response:
    """One request, one run."""
    tensor = request.inputs[0]
    block = np.array(tensor.data, dtype=np.float32).reshape(tensor.shape)
    return answer(request.id, session.run(None, {"features": block}))


def answer(request_id: str | None, outputs: Any) -> Response:
    """What the session said."""
    label, probabilities = outputs
    named = [("label", "INT64", label), ("probabilities", "FP32", probabilities)]
    return Response(
        id=request_id,
        outputs=[
            Tensor(name=name, datatype=datatype, shape=list(output.shape), data=output.ravel().tolist())
            for name, datatype, output in named
        ],
    )


def open_session(model: str) -> Any:
    """The model in a file."""
    return ort.InferenceSession(model, OPTIONS, providers=["CPUExecutionProvider"])


def serve(application: FastAPI, port: int) -> None:
    """Serve."""
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )


if __name__ == "__main__":
    session = open_session(sys.argv[1])
    serve(app, int(sys.argv[2]))
