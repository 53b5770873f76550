"""The whole loop, small: eleven days of flights on the embedded Kafka, through all five services."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from cli.demo.play import Demo, fresh
from cli.demo.story import SPRING_2013
from cli.errors import UserError
from cli.stack import Plan

ELEVEN_DAYS = replace(SPRING_2013, start=datetime(2013, 3, 14, 4, tzinfo=UTC), end=datetime(2013, 3, 25, 4, tzinfo=UTC))


async def test_a_drift_is_found_named_retrained_approved_and_the_new_model_serves(tmp_path: Path) -> None:
    state = tmp_path / "state"
    fresh(state)
    demo = Demo(Plan(state, bootstrap=os.environ.get("KAFKA_BOOTSTRAP")), ELEVEN_DAYS, Console(quiet=True))
    await demo.run(stay=False)
    figures = demo.figures

    assert figures["sent"] == figures["answered"] == figures["logged"] > 8_000
    assert figures["duplicates"] == 0
    assert figures["labels"] >= figures["met"] > 0.9 * figures["sent"]
    assert figures["measured_windows"] > 100
    assert figures["false_incidents"] == 0
    assert {"temp", "dewp"} <= set(figures["drift_features"])
    assert 0 <= figures["drift_delay_hours"] <= 24
    assert (figures["runs"], figures["other_runs"]) == (1, 0)
    assert figures["challenger_metric"] < figures["champion_metric"]
    assert figures["approvers"] == ["ada", "grace"]
    assert figures["first_digest"] != figures["serving_digest"]
    assert figures["answered_by_serving"] >= 1_000
    assert figures["lineage_ok"] is True


def test_a_folder_that_no_demo_left_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="something else than an earlier demo"):
        fresh(tmp_path)
    assert (tmp_path / "thesis.txt").exists()
