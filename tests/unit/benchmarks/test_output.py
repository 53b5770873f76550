"""A result that can't be written is not measured."""

import argparse
import re
from pathlib import Path

import pytest

from benchmarks.output import writable

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def test_a_file_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    assert writable(str(tmp_path / "old.json")).read_text() == "{}"
    assert not writable(str(tmp_path / "new.json")).exists()


@pytest.mark.parametrize("said", ["", ".", "nowhere/new.json", "/proc/new.json"])
def test_what_cannot_be_written_is_refused(said: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{said}' can't be written: "):
        writable(said)


def test_every_benchmark_asks_before_it_measures() -> None:
    options = [
        (file.relative_to(BENCHMARKS), option)
        for file in BENCHMARKS.rglob("*.py")
        for option in re.findall(r"add_argument\(\s*\"--(?:json|report)\",[^)]*", file.read_text())
    ]
    assert len(options) == 11
    assert [file for file, option in options if "type=writable" not in option] == []
