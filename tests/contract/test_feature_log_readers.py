"""The tables as others read them: the examples of docs/feature-log.md are run as they stand there."""

import re
from pathlib import Path

import pytest

from tests.unit.shared.feature_log.small_log import Log, hours

PAGE = Path(__file__).parents[2] / "docs" / "feature-log.md"


def example(reader: str) -> str:
    """The Python code in the docs that imports this reader."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (found,) = (block for block in blocks if block.startswith(f"import {reader}\n"))
    return str(found)


@pytest.mark.parametrize("reader", ["deltalake", "duckdb"])
def test_the_example_in_the_docs_prints_the_mean_score_of_each_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reader: str
) -> None:
    log = Log(tmp_path / ".driftline" / "tables")
    for number, score in ((1, 0.25), (2, 0.75), (30, 1.0)):
        log.predict(number, hours(number), scores=[score])
    log.predict(3, hours(3), role="shadow", scores=[9.0])
    monkeypatch.chdir(tmp_path)
    exec(example(reader), {})  # noqa: S102  # it is our own page
    printed = capsys.readouterr().out
    assert re.findall(r"2013-03-\d\d.*?(\d+\.\d+)", printed) == ["0.5", "1.0"]
