"""Before the replay: January and February go into the feature log as history, and a first champion is trained."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cli.demo.flights import between, uuid7
from cli.demo.story import Story
from cli.errors import UserError
from shared.batch import request_key
from shared.cloudevents import rfc3339


def write_history(rows: pa.Table, story: Story, path: Path) -> None:
    """The labelled flights before the replay, as the file that `feature_logging import` reads."""
    past = between(rows, story.history_start, story.start)
    past = past.filter(past["label"].is_valid())
    ids = [
        request_key(story.model, uuid7(moment, "history", position))
        for position, moment in enumerate(past["event_time"].to_pylist())
    ]
    past = past.append_column("request_id", pa.array(ids, pa.binary(16)))
    past = past.append_column("row", pa.array([0] * past.num_rows, pa.int32()))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(past, path)


async def train_champion(state: Path, definition: Path, history: Path, story: Story) -> str:
    """Import the history and train on it, in processes of their own; returns the bundle's digest."""
    model = ("--definition", str(definition))
    await _module("feature_logging", "import", "--model", story.model, *model, "--file", str(history), state=state)
    bounds = ("--start", rfc3339(story.history_start), "--end", rfc3339(story.start))
    printed = await _module("retrain_trigger", "train", *model, *bounds, state=state)
    return str(json.loads(printed.splitlines()[-1])["digest"])


async def _module(service: str, command: str, *arguments: str, state: Path) -> str:
    """What `python -m services.<service> <command> ...` prints; raises UserError with its last line if it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"services.{service}",
        command,
        *arguments,
        env=os.environ | {"DRIFTLINE_STATE": str(state)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode:
        said = (err or out).decode(errors="replace").strip().splitlines() or ["no word"]
        raise UserError(f"{service} {command} failed: {said[-1]}")
    return out.decode()
