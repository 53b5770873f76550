"""Settings that make no sense are refused by their names."""

import pytest
from pydantic import ValidationError

from services.feature_logging.settings import Settings


def test_days_to_keep_are_whole_and_at_least_three(monkeypatch: pytest.MonkeyPatch) -> None:
    for said in ("2", "-1", "0", "thirty", "1.5", ""):
        monkeypatch.setenv("DRIFTLINE_KEEP_DAYS", said)
        with pytest.raises(ValidationError, match="keep_days"):
            Settings()
    monkeypatch.setenv("DRIFTLINE_KEEP_DAYS", "3")
    assert Settings().keep_days == 3
    monkeypatch.delenv("DRIFTLINE_KEEP_DAYS")
    assert Settings().keep_days is None
