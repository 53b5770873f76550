import stat
import threading
import time
from pathlib import Path

import pytest

from shared.keys import BUNDLE_SIGNERS, LOCAL_ROLES, SERVICES, make_keys, write_secret
from shared.signing import load_private_key
from shared.tokens import TokenVerifier, issue


def contents(state: Path) -> dict[str, bytes]:
    return {str(path.relative_to(state)): path.read_bytes() for path in state.rglob("*") if path.is_file()}


def test_every_service_gets_a_pair_and_every_local_role_a_good_token(tmp_path: Path) -> None:
    make_keys(tmp_path)
    names = {*SERVICES, "operator", *(f"{name}.bundle" for name in BUNDLE_SIGNERS)}
    assert {path.name for path in (tmp_path / "keys").iterdir()} == {f"{name}.pem" for name in names}
    assert {path.name for path in (tmp_path / "trust").iterdir()} == {f"{name}.pub" for name in names}
    for role in LOCAL_ROLES:
        identity = TokenVerifier(tmp_path / "trust").verify((tmp_path / "tokens" / f"{role}.jwt").read_text())
        assert (identity.role, identity.subject) == (role, f"local-{role}")


def test_only_their_owner_can_read_keys_and_tokens(tmp_path: Path) -> None:
    make_keys(tmp_path)
    for folder in ("keys", "tokens"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / folder).iterdir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "trust").iterdir()} == {0o644}


def test_made_again_they_stay_as_they_are(tmp_path: Path) -> None:
    make_keys(tmp_path)
    before = contents(tmp_path)
    make_keys(tmp_path)
    assert contents(tmp_path) == before


def test_a_lost_public_key_is_made_again_from_its_private_key(tmp_path: Path) -> None:
    make_keys(tmp_path)
    before = contents(tmp_path)
    for name in ("governance.pub", "operator.bundle.pub"):
        (tmp_path / "trust" / name).unlink()
    make_keys(tmp_path)
    assert contents(tmp_path) == before  # what was signed with it stays valid


def test_a_token_that_has_expired_or_is_of_another_key_is_issued_again(tmp_path: Path) -> None:
    make_keys(tmp_path)
    expired = issue(load_private_key(tmp_path / "keys" / "governance.pem"), "local-viewer", "viewer", -1)
    foreign = issue(load_private_key(tmp_path / "keys" / "inference.pem"), "local-client", "client", 1)
    (tmp_path / "tokens" / "viewer.jwt").write_text(expired)
    (tmp_path / "tokens" / "client.jwt").write_text(foreign)
    (tmp_path / "tokens" / "admin.jwt").write_bytes(b"\xff")
    make_keys(tmp_path)
    for role in ("viewer", "client", "admin"):
        identity = TokenVerifier(tmp_path / "trust").verify((tmp_path / "tokens" / f"{role}.jwt").read_text())
        assert identity.expires > time.time()


def test_a_damaged_private_key_is_said_and_not_replaced(tmp_path: Path) -> None:
    make_keys(tmp_path)
    (tmp_path / "keys" / "governance.pem").write_bytes(b"half a k")
    with pytest.raises(ValueError, match=r"PEM|deserialize"):
        make_keys(tmp_path)
    assert (tmp_path / "keys" / "governance.pem").read_bytes() == b"half a k"


def test_many_at_once_agree_on_every_pair(tmp_path: Path) -> None:
    threads = [threading.Thread(target=make_keys, args=(tmp_path,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = contents(tmp_path)
    assert not [name for name in made if ".new-" in name]
    for name in (*SERVICES, "operator", *(f"{name}.bundle" for name in BUNDLE_SIGNERS)):
        (tmp_path / "trust" / f"{name}.pub").unlink()
    make_keys(tmp_path)
    assert contents(tmp_path) == made


def test_a_secret_takes_the_place_of_another_whole_and_unread_by_others(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_secret(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
