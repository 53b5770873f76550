"""`driftline explain` where there is no one to ask."""

from pathlib import Path

import pytest

from cli.errors import UserError
from cli.explain import _get


async def test_an_address_at_which_no_one_answers_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir()
    with pytest.raises(UserError, match="no token of 'viewer'"):
        await _get("http://127.0.0.1:1", "/v1/incidents/one/explain", tmp_path)
    (tmp_path / "tokens" / "viewer.jwt").write_text("token")
    with pytest.raises(UserError, match=r"at http://127.0.0.1:1 cannot be reached"):
        await _get("http://127.0.0.1:1", "/v1/incidents/one/explain", tmp_path)
