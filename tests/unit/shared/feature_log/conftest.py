"""Fixtures of the feature log's tests."""

from pathlib import Path

import pytest

from tests.unit.shared.feature_log.small_log import Log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """An empty feature log."""
    return Log(tmp_path / "tables")
