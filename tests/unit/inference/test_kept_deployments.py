"""Deployments that were believed before are kept on disk, and believed again only if governance signed them."""

from pathlib import Path

from services.inference.models.loaded import LoadedModel
from services.inference.store.deployments import KeptDeployments
from shared.signing import Trust
from tests.bundles import as_read, deployment


def test_kept_files_that_governance_did_not_sign_are_left_out(state: Path, tmp_path: Path, small: LoadedModel) -> None:
    kept, trust = KeptDeployments(tmp_path), Trust(state / "trust")
    kept.keep(as_read(deployment(state, small.digest, 3), 3))
    [path] = tmp_path.glob("*.json")
    good = path.read_text()
    assert [event.revision for event in kept.read(trust)] == [3]
    kept.keep(as_read(deployment(state, small.digest, 4, signer="operator"), 4))
    (tmp_path / "rubbish.json").write_text("[1]")
    (tmp_path / "cut.json").write_text(good[:-20])
    assert list(kept.read(trust)) == []
